/** A reading: pictures, hand and keys on one session. */

import { get, post, unpack, type About, type Hover, type Job, type Label } from "../data/api";
import type { Events } from "../data/events";
import type { Vec3 } from "../data/grid";
import { PLANES, type Plane } from "../data/planes";
import { Reading } from "../data/reading";
import { stroke } from "../data/strokes";
import { command } from "../input/keys";
import { CT_WINDOWS, FIRST_LOOK, SUV_WINDOWS, type Look, type Shown } from "../render/look";
import { Projection } from "../render/projection";
import { Slices } from "../render/slices";
import { Controls } from "./controls";
import { exports, help } from "./dialogs";
import { attempt, button, h, number, tell } from "./dom";
import { Pane, type Box, type Hand } from "./pane";
import { Pictures } from "./pictures";
import { Progress } from "./progress";
import { Table } from "./table";
import { Turning } from "./turning";
import { Walk } from "./walk";

/** A pointer that rests so long asks what a click would take. */
const HOVER_MS = 120;

export class Room implements Hand {
  readonly element: HTMLElement;
  private readonly pictures: Pictures;
  private readonly controls: Controls;
  private readonly table: Table;
  private readonly readout = h("output", { class: "readout", "aria-live": "off" });
  private readonly progress: Progress;
  private readonly walk: Walk;
  private readonly undone = new AbortController();
  private look_: Look = { ...FIRST_LOOK };
  private pointer: { plane: Plane; voxel: Vec3 } | null = null;
  private hovering: { timer: ReturnType<typeof setTimeout>; asked: AbortController } | null = null;

  constructor(
    private readonly reading: Reading,
    slices: Slices,
    panes: Pane[],
    turning: Turning,
    private readonly about: About,
    private readonly events: Events,
    leave: () => void,
  ) {
    this.pictures = new Pictures(reading, slices, panes, turning);
    this.progress = new Progress(events);
    this.walk = new Walk(reading, this.pictures, (voxel) => this.look(voxel));
    this.table = new Table({
      choose: (lesion) => this.choose(lesion),
      mark: (lesion, what) => void attempt(() => reading.mark(lesion, what)),
      reject: (lesion) => void attempt(() => reading.reject(lesion)),
    });
    this.controls = new Controls(
      about,
      {
        look: (change) => this.relook(change),
        run: (name) => this.run(name),
        outline: (rule) => reading.selected !== null && void attempt(() => reading.next(reading.selected!, rule)),
      },
      reading.ct !== null,
    );
    this.element = h(
      "main",
      { class: "room", "data-session": reading.id },
      h(
        "header",
        {},
        button("Studies", leave, { class: "leave" }),
        h("h1", {}, reading.state.title + (reading.state.simulated ? " (simulated)" : "")),
        this.readout,
        this.progress.element,
        button("?", help, { "aria-label": "Keys", title: "Keys (?)" }),
      ),
      h("div", { class: "panes" }, panes[0].element, turning.element, panes[1].element, panes[2].element),
      h("aside", {}, this.controls.element, this.table.element),
    );
    document.addEventListener("keydown", (event) => this.key(event), { signal: this.undone.signal });
    addEventListener("resize", () => this.pictures.resize(), { signal: this.undone.signal });
    reading.onChange(() => this.changed());
    this.events.listen(
      reading.id,
      (change) => void attempt(() => reading.take(change)),
      () => {
        tell("This reading was deleted in another window.", "fault");
        leave();
      },
      (revision) => void attempt(() => reading.catchUp(revision)),
    );
  }

  static async open(
    session: string,
    about: About,
    events: Events,
    put: (element: HTMLElement) => void,
    told: (share: number) => void,
    leave: () => void,
  ): Promise<Room> {
    const reading = await Reading.open(session, told);
    const { grid } = reading;
    const hand = { current: null as Hand | null };
    const forward: Hand = {
      point: (plane, voxel) => hand.current?.point(plane, voxel),
      draw: (plane, path, label) => hand.current?.draw(plane, path, label),
      drawing: (path, label) => hand.current?.drawing(path, label),
      look: (voxel) => hand.current?.look(voxel),
      scroll: (plane, by) => hand.current?.scroll(plane, by),
      moved: (plane) => hand.current?.moved(plane),
    };
    const panes = PLANES.map((plane) => new Pane(plane, grid, forward));
    const projection = new Projection(grid, reading.pet.data);
    const turning = new Turning(grid, projection, reading.pet.slope, (voxel) => hand.current?.look(voxel));
    // The renderer measures its elements, so they must lie in the page first.
    put(h("div", { class: "room" }, h("div", { class: "panes" }, panes[0].element, turning.element, panes[1].element, panes[2].element)));
    const [axial, coronal, sagittal] = panes.map((pane) => pane.picture);
    const slices = await Slices.open(grid, reading.pet, reading.ct, { axial, coronal, sagittal });
    const room = new Room(reading, slices, panes, turning, about, events, leave);
    hand.current = room;
    put(room.element);
    room.pictures.resize();
    room.relook({});
    room.changed();
    room.look(projection.hottest(0, Math.floor(projection.width / 2), Math.floor(projection.height / 2)) ?? [0, 0, 0]);
    panes[0].element.focus();
    return room;
  }

  close(): void {
    this.undone.abort();
    this.events.close();
    this.pictures.close();
  }

  // The hand

  point(plane: Plane, voxel: Vec3 | null): void {
    this.pointer = voxel && { plane, voxel };
    this.read(voxel ?? this.pictures.cursor);
    this.unhover();
    // In a lesion a click corrects it.
    const about = voxel && this.controls.settings.tool === "lesion" && !this.reading.labels.at(voxel);
    if (!about) return this.pictures.hover(null);
    const asked = new AbortController();
    this.hovering = { asked, timer: setTimeout(() => void this.preview(voxel, asked.signal), HOVER_MS) };
  }

  private unhover(): void {
    if (!this.hovering) return;
    clearTimeout(this.hovering.timer);
    this.hovering.asked.abort();
    this.hovering = null;
  }

  drawing(path: Vec3[], label: Label): void {
    const { tool, radius_mm } = this.controls.settings;
    this.pictures.drawing(
      tool === "brush" || tool === "eraser"
        ? { voxels: path, label: tool === "brush" ? "tumor" : "background", radius_mm }
        : tool === "lesion"
          ? { voxels: path, label }
          : null,
    );
  }

  draw(plane: Plane, path: Vec3[], label: Label): void {
    const { grid } = this.reading;
    const { tool, radius_mm, min_suv } = this.controls.settings;
    this.pictures.drawing(null);
    const last = grid.clamped(path[path.length - 1]);
    if (tool === "look") return this.look(last);
    if (tool === "lesion") {
      this.look(last);
      return this.prompt(stroke(path).filter((voxel) => grid.inside(voxel)), label);
    }
    const mode = tool === "brush" && label === "tumor" ? "paint" : "erase";
    const drawn = { voxels: path, label: mode === "paint" ? "tumor" : "background", radius_mm } as const;
    void this.sending(drawn, () => this.reading.brush(path, plane.through, { mode, radius_mm, min_suv }));
  }

  look(voxel: Vec3): void {
    this.pictures.look(voxel);
    this.read(this.pictures.cursor);
  }

  scroll(plane: Plane, slices: number): void {
    const to: Vec3 = [...this.pictures.cursor];
    to[plane.through] += plane.through === 2 ? -slices : slices;
    this.look(this.reading.grid.clamped(to));
    if (!this.pointer) return;
    this.pointer.voxel = [...this.pointer.voxel];
    this.pointer.voxel[plane.through] = this.pictures.cursor[plane.through];
    this.point(plane, this.pointer.voxel);
  }

  moved(plane: Plane): void {
    this.pictures.moved(plane);
  }

  // Commands

  private key(event: KeyboardEvent): void {
    const at = event.target instanceof Element ? event.target : document.body;
    if (document.querySelector("dialog[open]") || at.closest("input:not([type=radio], [type=range], [type=checkbox]), select, textarea")) return;
    if (at.closest("button, a, [role=region], input") && /^(Enter| |Arrow|Page|Home)/.test(event.key)) return;
    const name = command(event);
    if (!name) return;
    event.preventDefault();
    this.run(name);
  }

  private run(name: string): void {
    const { reading } = this;
    const chosen = reading.selected;
    const on = (work: (lesion: number) => Promise<unknown>) => {
      if (chosen === null) tell("Choose a lesion first: J, or click on one.");
      else void attempt(() => work(chosen));
    };
    const commands: Record<string, () => void> = {
      ...this.walk.commands(),
      suvWindow: () => this.relook({ suv: following(SUV_WINDOWS.map((one) => one.suv), this.look_.suv) }),
      ctWindow: () => this.relook({ ct: following(CT_WINDOWS.map((one) => one.ct), this.look_.ct) }),
      lessPet: () => this.relook({ fusion: Math.max(0, this.look_.fusion - 0.1), shown: "fused" }),
      morePet: () => this.relook({ fusion: Math.min(1, this.look_.fusion + 0.1), shown: "fused" }),
      petOnly: () => this.only("pet"),
      ctOnly: () => this.only("ct"),
      lesions: () => this.relook({ lesions: !this.look_.lesions }),
      tumor: () => this.finish("tumor"),
      background: () => this.finish("background"),
      outline: () => on((lesion) => reading.next(lesion)),
      remove: () => this.remove(),
      undo: () => void attempt(reading.undo),
      redo: () => void attempt(reading.redo),
      tool1: () => this.controls.tool("lesion"),
      tool2: () => this.controls.tool("brush"),
      tool3: () => this.controls.tool("eraser"),
      tool4: () => this.controls.tool("look"),
      lesionNext: () => this.step(1),
      lesionPrevious: () => this.step(-1),
      chooseNone: () => reading.select(null),
      accept: () => on((lesion) => this.judge(lesion, () => reading.mark(lesion, { accepted: true }))),
      reject: () => on((lesion) => this.judge(lesion, () => reading.reject(lesion))),
      hide: () => on((lesion) => reading.mark(lesion, { hidden: !reading.lesion(lesion)?.hidden })),
      lock: () => on((lesion) => reading.mark(lesion, { locked: !reading.lesion(lesion)?.locked })),
      firstAnswer: () => void attempt(() => this.firstAnswer()),
      preselect: () => void attempt(() => reading.preselect(this.controls.settings.rule)),
      export: () => exports(reading, this.about, (kinds) => void attempt(() => this.store(kinds))),
      help,
    };
    commands[name]?.();
  }

  private finish(label: Label): void {
    this.prompt(stroke(this.walk.take()), label);
  }

  private prompt(voxels: Vec3[], label: Label): void {
    this.unhover();
    this.pictures.hover(null);
    if (!voxels.length) return tell("That is outside the PET.");
    void this.sending({ voxels, label }, () => this.reading.draw(voxels, label));
  }

  /** Shows a stroke until the server has answered. */
  private async sending(drawn: { voxels: Vec3[]; label: Label; radius_mm?: number }, work: () => Promise<unknown>) {
    const done = this.pictures.sent(drawn);
    this.element.dataset.busy = "true";
    await attempt(work);
    done();
    delete this.element.dataset.busy;
  }

  private remove(): void {
    const { reading, pictures } = this;
    const here = reading.labels.at(this.pointer?.voxel ?? pictures.cursor) || reading.labels.at(pictures.cursor);
    const lesion = here || reading.selected;
    if (lesion) void attempt(() => reading.reject(lesion));
    else tell("There is no lesion under the pointer or the crosshair.");
  }

  private async judge(lesion: number, work: () => Promise<unknown>): Promise<void> {
    const listed = this.table.listed;
    const at = listed.indexOf(lesion);
    await work();
    const open = [...listed.slice(at + 1), ...listed.slice(0, at)].filter(
      (n) => n !== lesion && this.reading.lesion(n) && !this.reading.lesion(n)!.accepted,
    );
    if (open.length) this.choose(open[0]);
  }

  private step(by: number): void {
    const listed = this.table.listed;
    if (!listed.length) return tell("There are no lesions yet.");
    const at = this.reading.selected === null ? -1 : listed.indexOf(this.reading.selected);
    this.choose(listed[at < 0 ? (by > 0 ? 0 : listed.length - 1) : (at + by + listed.length) % listed.length]);
  }

  private choose(lesion: number): void {
    const one = this.reading.lesion(lesion);
    if (!one) return;
    this.reading.select(lesion);
    this.look(this.reading.grid.toAxial(one.hottest));
  }

  private async firstAnswer(): Promise<void> {
    const job = await post<Job>(`sessions/${this.reading.id}/first-answer`, { tracer: "auto" });
    if (!(await this.progress.follow(job, "First answer"))) tell("Cancelled; nothing has changed.");
  }

  private async store(kinds: string[]): Promise<void> {
    const job = await post<Job>(`sessions/${this.reading.id}/store`, { kinds });
    const done = await this.progress.follow(job, "Sending to the PACS");
    if (done) tell(`The PACS has taken ${done.result?.stored?.length ?? 0} objects.`);
  }

  // What is shown

  private only(shown: Shown): void {
    this.relook({ shown: this.look_.shown === shown ? "fused" : shown });
  }

  private relook(change: Partial<Look>): void {
    this.look_ = { ...this.look_, ...change };
    this.pictures.present(this.look_);
    this.enable();
  }

  private changed(): void {
    const { state, selected } = this.reading;
    this.table.show(state.lesions, state.totals, selected);
    this.enable();
    this.pictures.changed();
    this.element.dataset.revision = String(state.revision);
  }

  private enable(): void {
    const { state, selected } = this.reading;
    const can = { undo: state.can_undo, redo: state.can_redo, chosen: selected !== null };
    this.controls.show(this.look_, can, this.reading.lesion(selected)?.outline);
  }

  /** SUV, HU and mm of a voxel. */
  private read(voxel: Vec3): void {
    const { reading } = this;
    const hu = reading.hu(voxel);
    const lesion = reading.lesion(reading.labels.at(voxel));
    const parts = [
      `SUV ${number(reading.suv(voxel), 2)}`,
      hu === null ? null : `${number(hu, 0)} HU`,
      `${reading.grid.toWorld(voxel).map((mm) => mm.toFixed(1)).join(", ")} mm`,
      `voxel ${reading.grid.toStored(voxel).join(", ")}`,
      lesion?.name,
    ];
    this.readout.textContent = parts.filter(Boolean).join(" · ");
  }

  private async preview(voxel: Vec3, signal: AbortSignal): Promise<void> {
    const [x, y, z] = this.reading.grid.toStored(voxel);
    try {
      const hover = await get<Hover>(`sessions/${this.reading.id}/hover?x=${x}&y=${y}&z=${z}`, signal);
      const box: Box | null = hover.size[0]
        ? { low: hover.low, size: hover.size, values: new Uint8Array(await unpack(hover.data)) }
        : null;
      if (signal.aborted) return;
      this.pictures.hover(box);
      if (box) this.readout.append(` · here ${number(hover.volume_ml, 1)} mL up to SUV ${number(hover.suv_max, 1)}`);
    } catch {
      // A preview that fails is none; the click itself will say why.
    }
  }
}

function following<T>(all: T[], now: T): T {
  const at = all.findIndex((one) => String(one) === String(now));
  return all[(at + 1) % all.length];
}
