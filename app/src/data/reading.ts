/** One session as this window knows it. */

import { get, post, send, type Change, type Colour, type Label, type Lesion, type State, type Update } from "./api";
import { Grid, type Vec3 } from "./grid";
import { Labels } from "./labels";
import { loadVolume, type Volume } from "./volume";

export interface Brush {
  mode: "paint" | "erase";
  radius_mm: number;
  min_suv: number | null;
}

export class Reading {
  readonly grid: Grid;
  readonly labels: Labels;
  /** The lesion that commands act on. */
  selected: number | null = null;
  private order: Promise<unknown> = Promise.resolve();
  private readonly listeners = new Set<() => void>();

  private constructor(
    public state: State,
    readonly pet: Volume,
    readonly ct: Volume | null,
  ) {
    this.grid = new Grid(state.grid, state.axial);
    this.labels = new Labels(this.grid);
  }

  /** Loads the state and the volumes, telling what share has come. */
  static async open(id: string, told: (share: number) => void): Promise<Reading> {
    const state = await get<State>(`sessions/${id}`);
    const [x, y, z] = state.grid.size;
    const volumes = state.has_ct ? 2 : 1;
    const got = { pet: 0, ct: 0 };
    const load = (kind: "pet" | "ct") =>
      loadVolume(id, kind, (bytes) => {
        got[kind] = bytes;
        told((got.pet + got.ct) / (2 * x * y * z * volumes));
      });
    const [pet, ct] = await Promise.all([load("pet"), state.has_ct ? load("ct") : null]);
    const reading = new Reading(state, pet, ct);
    if (state.lesions.length) await reading.labels.apply(await get<Update>(`sessions/${id}/labels`));
    return reading;
  }

  get id(): string {
    return this.state.id;
  }

  private get at(): string {
    return `sessions/${this.id}`;
  }

  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  lesion(number: number | null): Lesion | undefined {
    return this.state.lesions.find((one) => one.lesion === number);
  }

  select(number: number | null): void {
    this.selected = number;
    this.tell();
  }

  suv(axial: Vec3): number {
    return this.pet.data[this.grid.index(axial)] * this.pet.slope;
  }

  hu(axial: Vec3): number | null {
    return this.ct && this.ct.data[this.grid.index(axial)] * this.ct.slope;
  }

  // What changes it; one after the other, as the hand did it.

  draw(voxels: Vec3[], label: Label): Promise<void> {
    const stored = voxels.map((v) => this.grid.toStored(v));
    return this.act(() =>
      post<Change>(`${this.at}/prompts`, { kind: stored.length === 1 ? "click" : "scribble", label, voxels: stored, lesion: null }),
    );
  }

  brush(path: Vec3[], through: number, brush: Brush): Promise<void> {
    const path_ = path.map((v) => this.grid.toStored(v));
    const lesion = brush.mode === "paint" ? this.selected : null;
    const body = { ...brush, path: path_, lesion, shape: "disc", axis: this.grid.axial.axes[through], max_suv: null };
    return this.act(() => post<Change>(`${this.at}/brush`, body));
  }

  undo = () => this.act(() => post<Change>(`${this.at}/undo`));
  redo = () => this.act(() => post<Change>(`${this.at}/redo`));
  reject = (lesion: number) => this.act(() => post<Change>(`${this.at}/lesions/${lesion}/reject`));
  next = (lesion: number, rule = "next") => this.act(() => post<Change>(`${this.at}/lesions/${lesion}/outline`, { rule }));
  preselect = (rule: string) => this.act(() => post<Change>(`${this.at}/preselect`, { rule, suv: null, min_ml: null }));

  mark(lesion: number, what: Partial<Pick<Lesion, "name" | "hidden" | "locked" | "accepted"> & { colour: Colour }>) {
    return this.act(() => send<Change>("PATCH", `${this.at}/lesions/${lesion}`, what));
  }

  /** Takes a change that came, from an answer or as an event; those that are known already do nothing. */
  take(change: Change): Promise<void> {
    return this.after(() => this.put(change));
  }

  /** Catches up where something has been missed. */
  catchUp(revision: number): Promise<void> {
    return this.after(async () => {
      if (revision > this.state.revision) await this.refresh();
    });
  }

  private act(request: () => Promise<Change>): Promise<void> {
    return this.after(async () => {
      const change = await request();
      await this.put(change);
      if (change.lesion !== null && this.lesion(change.lesion)) this.select(change.lesion);
    });
  }

  private after(work: () => Promise<void>): Promise<void> {
    const mine = this.order.then(work);
    this.order = mine.catch(() => undefined);
    return mine;
  }

  private async put(change: Change): Promise<void> {
    if (change.revision <= this.state.revision) return;
    if (change.revision > this.state.revision + 1) return this.refresh();
    if (change.update) await this.labels.apply(change.update);
    const { revision, lesion, can_undo, can_redo, first_answer, lesions, totals } = change;
    Object.assign(this.state, { revision, lesion, can_undo, can_redo, first_answer, lesions, totals });
    this.tell();
  }

  private async refresh(): Promise<void> {
    const update = await get<Update>(`sessions/${this.id}/labels`);
    this.state = await get<State>(`sessions/${this.id}`);
    await this.labels.apply(update);
    if (update.revision < this.state.revision) return this.refresh();
    this.tell();
  }

  private tell(): void {
    if (this.selected !== null && !this.lesion(this.selected)) this.selected = null;
    for (const listener of this.listeners) listener();
  }
}
