/** The column beside the pictures: tools, look, rules, exports. */

import type { About } from "../data/api";
import { CT_WINDOWS, SUV_WINDOWS, type Look } from "../render/look";
import { button, h } from "./dom";

export const TOOLS = [
  ["lesion", "Lesion", "T"],
  ["brush", "Brush", "B"],
  ["eraser", "Eraser", "E"],
  ["look", "Look", "I"],
] as const;
export type Tool = (typeof TOOLS)[number][0];

export interface Settings {
  tool: Tool;
  radius_mm: number;
  /** A brush leaves colder voxels alone. */
  min_suv: number | null;
  rule: string;
}

export interface ControlsHand {
  look(change: Partial<Look>): void;
  run(command: string): void;
  outline(rule: string): void;
}

export class Controls {
  readonly element = h("section", { class: "controls", "aria-label": "Tools" });
  readonly settings: Settings;
  private readonly parts: Record<string, HTMLInputElement | HTMLSelectElement | HTMLButtonElement> = {};

  constructor(
    about: About,
    private readonly hand: ControlsHand,
    hasCt: boolean,
  ) {
    this.settings = { tool: "lesion", radius_mm: 6, min_suv: null, rule: about.preselect[0]?.rule ?? "" };
    this.element.append(
      this.tools(),
      this.brush(),
      this.looks(hasCt),
      this.row(
        "Edit",
        this.command("Undo", "undo", "Ctrl+Z"),
        this.command("Redo", "redo", "Ctrl+Shift+Z"),
        this.command("Remove", "remove", "Delete"),
        this.command("Next proposal", "outline", "N"),
        this.choice("Proposal of", about.outlines, "outline", (rule) => this.hand.outline(rule)),
      ),
      this.row(
        "Find",
        this.command("First answer", "firstAnswer", "F"),
        this.command("Preselect", "preselect", "D"),
        this.choice("Rule of preselection", about.preselect, "rule", (rule) => (this.settings.rule = rule)),
      ),
      this.row(
        "Done",
        this.command("Accept", "accept", "Y"),
        this.command("Reject", "reject", "X"),
        this.command("Export", "export", "O"),
      ),
    );
    this.giveBack();
  }

  /** A list that a hand has chosen from gives the keys back; one that is gone through by keys keeps them. */
  private giveBack(): void {
    let byHand = false;
    this.element.addEventListener("pointerdown", () => (byHand = true));
    this.element.addEventListener("keydown", () => (byHand = false));
    this.element.addEventListener("change", ({ target }) => byHand && target instanceof HTMLSelectElement && target.blur());
  }

  tool(tool: Tool): void {
    this.settings.tool = tool;
    (this.parts[tool] as HTMLInputElement).checked = true;
    this.element.dataset.tool = tool;
  }

  show(look: Look, can: { undo: boolean; redo: boolean; chosen: boolean }, outline: string | undefined): void {
    (this.parts.undo as HTMLButtonElement).disabled = !can.undo;
    (this.parts.redo as HTMLButtonElement).disabled = !can.redo;
    for (const name of ["outline", "accept", "reject"]) (this.parts[name] as HTMLButtonElement).disabled = !can.chosen;
    this.parts["choice-outline"].disabled = !can.chosen;
    if (outline) this.parts["choice-outline"].value = outline;
    const at = SUV_WINDOWS.findIndex(({ suv }) => suv.join() === look.suv.join());
    this.parts.suv.value = String(at);
    if (!this.parts.ct) return;
    this.parts.ct.value = String(CT_WINDOWS.findIndex(({ ct }) => ct.join() === look.ct.join()));
    this.parts.fusion.value = String(Math.round(100 * look.fusion));
    this.parts.shown.value = look.shown;
  }

  private tools(): HTMLElement {
    const radios = TOOLS.map(([tool, title, key]) => {
      const input = h("input", { type: "radio", name: "tool", value: tool, checked: tool === "lesion" });
      input.addEventListener("change", () => this.tool(tool));
      this.parts[tool] = input;
      return h("label", { title: `${title} (${key})` }, input, title);
    });
    this.element.dataset.tool = "lesion";
    return h("fieldset", { class: "tools" }, h("legend", {}, "Tool"), ...radios);
  }

  private brush(): HTMLElement {
    const radius = h("input", { type: "range", min: 2, max: 30, value: 6, step: 1, "aria-label": "Brush radius in mm" });
    const shown = h("output", {}, "6 mm");
    radius.addEventListener("input", () => {
      this.settings.radius_mm = Number(radius.value);
      shown.textContent = `${radius.value} mm`;
    });
    const on = h("input", { type: "checkbox" });
    const least = h("input", { type: "number", min: 0, step: 0.5, value: 2.5, "aria-label": "Least SUV of the brush" });
    const set = () => (this.settings.min_suv = on.checked ? Number(least.value) : null);
    on.addEventListener("change", set);
    least.addEventListener("input", set);
    return h(
      "div",
      { class: "row brush" },
      h("label", {}, "Radius", radius, shown),
      h("label", {}, on, "only SUV ≥"),
      least,
    );
  }

  private looks(hasCt: boolean): HTMLElement {
    const parts: HTMLElement[] = [
      this.select("suv", "PET window", SUV_WINDOWS, (at) => this.hand.look({ suv: SUV_WINDOWS[at].suv })),
    ];
    if (hasCt) {
      parts.push(this.select("ct", "CT window", CT_WINDOWS, (at) => this.hand.look({ ct: CT_WINDOWS[at].ct })));
      const shown = h(
        "select",
        { "aria-label": "Shown" },
        h("option", { value: "fused" }, "Fused"),
        h("option", { value: "pet" }, "PET"),
        h("option", { value: "ct" }, "CT"),
      );
      shown.addEventListener("change", () => this.hand.look({ shown: shown.value as Look["shown"] }));
      const fusion = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Fusion: share of PET" });
      fusion.addEventListener("input", () => this.hand.look({ fusion: Number(fusion.value) / 100, shown: "fused" }));
      Object.assign(this.parts, { shown, fusion });
      parts.push(shown, h("label", {}, "CT", fusion, "PET"));
    }
    return this.row("Look", ...parts);
  }

  private select(name: string, title: string, options: { title: string }[], then: (at: number) => void): HTMLElement {
    const select = h("select", { "aria-label": title }, ...options.map((one, i) => h("option", { value: i }, one.title)));
    select.addEventListener("change", () => then(Number(select.value)));
    this.parts[name] = select;
    return select;
  }

  private choice(title: string, options: { rule: string; title: string }[], name: string, then: (rule: string) => void) {
    const select = h(
      "select",
      { "aria-label": title },
      ...options.map((one) => h("option", { value: one.rule }, one.title)),
    );
    select.addEventListener("change", () => then(select.value));
    this.parts[`choice-${name}`] = select;
    return select;
  }

  private command(title: string, name: string, key: string): HTMLElement {
    const made = button(title, () => this.hand.run(name), { title: `${title} (${key})`, "data-command": name });
    this.parts[name] = made;
    return made;
  }

  private row(title: string, ...parts: HTMLElement[]): HTMLElement {
    return h("div", { class: "row", role: "group", "aria-label": title }, h("h2", {}, title), ...parts);
  }
}
