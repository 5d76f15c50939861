/** The lesions, live: a row each, and totals. */

import type { Colour, Lesion, Totals } from "../data/api";
import { h, number } from "./dom";

export interface TableHand {
  choose(lesion: number): void;
  mark(
    lesion: number,
    what: Partial<Pick<Lesion, "name" | "hidden" | "locked" | "accepted"> & { colour: Colour }>,
  ): void;
  reject(lesion: number): void;
}

interface Column {
  key: keyof Lesion;
  title: string;
  unit: string;
  digits: number;
}

const NUMBERS: Column[] = [
  { key: "volume_ml", title: "Volume", unit: "mL", digits: 2 },
  { key: "suv_max", title: "SUVmax", unit: "", digits: 2 },
  { key: "suv_mean", title: "mean", unit: "", digits: 2 },
  { key: "suv_peak", title: "peak", unit: "", digits: 2 },
  { key: "tlg", title: "TLG", unit: "g", digits: 1 },
  { key: "diameter_mm", title: "Ø", unit: "mm", digits: 1 },
];

export interface Order {
  key: keyof Lesion;
  falling: boolean;
}

/** Lesions in a table's order; what has no value comes last. */
export function sorted(lesions: Lesion[], { key, falling }: Order): Lesion[] {
  const sign = falling ? -1 : 1;
  return [...lesions].sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    if (x === null || y === null) return Number(x === null) - Number(y === null) || a.lesion - b.lesion;
    const by = typeof x === "string" ? x.localeCompare(String(y), undefined, { numeric: true }) : Number(x) - Number(y);
    return sign * by || a.lesion - b.lesion;
  });
}

export class Table {
  readonly element = h("section", { class: "lesions", "aria-label": "Lesions" });
  private order: Order = { key: "lesion", falling: false };
  private lesions: Lesion[] = [];
  private last: [Lesion[], Totals, number | null] | null = null;

  constructor(private readonly hand: TableHand) {}

  /** Numbers of the lesions as they are listed. */
  get listed(): number[] {
    return sorted(this.lesions, this.order).map((one) => one.lesion);
  }

  show(lesions: Lesion[], totals: Totals, selected: number | null): void {
    this.last = [lesions, totals, selected];
    this.lesions = lesions;
    // A name or colour that is being edited is not taken from under the hand.
    const active = document.activeElement;
    if (active instanceof HTMLInputElement && this.element.contains(active)) {
      active.addEventListener("blur", () => this.last && this.show(...this.last), { once: true });
      return;
    }
    const focused = (active as HTMLElement | null)?.dataset?.["what"];
    this.element.replaceChildren(
      lesions.length ? this.table(lesions, totals, selected) : h("p", { class: "none" }, "no lesions yet"),
    );
    if (focused) this.element.querySelector<HTMLElement>(`[data-what="${focused}"]`)?.focus();
  }

  private table(lesions: Lesion[], totals: Totals, selected: number | null): HTMLElement {
    const rows = sorted(lesions, this.order).map((one) => this.row(one, one.lesion === selected));
    const total = (title: string, value: string) => h("div", {}, h("dt", {}, title), h("dd", {}, value));
    return h(
      "div",
      {},
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of lesions" },
        h("table", {}, h("thead", {}, this.head()), h("tbody", {}, ...rows)),
      ),
      h(
        "dl",
        { class: "totals", "aria-label": "Totals" },
        total("Lesions", String(totals.lesions)),
        total("TMTV", `${number(totals.total_mtv_ml, 2)} mL`),
        total("TLG", `${number(totals.total_tlg, 1)} g`),
        total("SUVmax", number(totals.suv_max, 2)),
        total("Dmax", totals.dmax_mm === null ? "–" : `${number(totals.dmax_mm, 1)} mm`),
      ),
    );
  }

  private head(): HTMLElement {
    const sortable = (key: keyof Lesion, title: string, unit = "") => {
      const mine = this.order.key === key;
      const click = () => {
        this.order = { key, falling: mine ? !this.order.falling : typeof this.lesions[0]?.[key] === "number" };
        if (this.last) this.show(...this.last);
      };
      const arrow = mine ? (this.order.falling ? " ▾" : " ▴") : "";
      return h(
        "th",
        { scope: "col", "aria-sort": mine ? (this.order.falling ? "descending" : "ascending") : "none" },
        h("button", { type: "button", click, "data-what": `sort-${key}` }, `${title}${arrow}`),
        unit ? h("small", {}, unit) : null,
      );
    };
    return h(
      "tr",
      {},
      h("th", { scope: "col" }, h("span", { class: "hidden-text" }, "Colour")),
      sortable("lesion", "#"),
      sortable("name", "Name"),
      ...NUMBERS.map(({ key, title, unit }) => sortable(key, title, unit)),
      h("th", { scope: "col" }, h("span", { class: "hidden-text" }, "Actions")),
    );
  }

  private row(one: Lesion, selected: boolean): HTMLElement {
    const { hand } = this;
    const n = one.lesion;
    const toggle = (what: "hidden" | "locked" | "accepted", sign: string, title: string) =>
      h(
        "button",
        {
          type: "button",
          class: what,
          title,
          "aria-label": `${title}: lesion ${n}`,
          "aria-pressed": String(one[what]),
          "data-what": `${what}-${n}`,
          click: () => hand.mark(n, { [what]: !one[what] }),
        },
        sign,
      );
    const name = h("input", { value: one.name, "aria-label": `Name of lesion ${n}`, maxlength: 64, class: "name" });
    name.addEventListener("change", () => hand.mark(n, { name: name.value.trim() || `Lesion ${n}` }));
    // Done with the name: the keys are the pictures' again, and the table goes on.
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    const colour = h("input", { type: "color", value: hex(one.colour), "aria-label": `Colour of lesion ${n}` });
    colour.addEventListener("change", () => {
      colour.blur();
      hand.mark(n, { colour: rgb(colour.value) });
    });
    const row = h(
      "tr",
      { class: `${selected ? "chosen" : ""} ${one.found ? "found" : ""}`, "data-lesion": n },
      h("td", {}, colour),
      h(
        "td",
        {},
        h(
          "button",
          {
            type: "button",
            class: "jump",
            "aria-label": `Go to lesion ${n}`,
            "aria-current": selected ? "true" : null,
            "data-what": `jump-${n}`,
            click: () => hand.choose(n),
          },
          String(n),
        ),
      ),
      h("td", {}, name),
      ...NUMBERS.map(({ key, digits }) =>
        h("td", { class: `number ${key}`, "data-value": String(one[key]) }, number(one[key] as number | null, digits)),
      ),
      h(
        "td",
        { class: "actions" },
        toggle("accepted", "✓", "Accept"),
        toggle("hidden", "V", "Hide"),
        toggle("locked", "L", "Lock"),
        h("button", { type: "button", "aria-label": `Reject lesion ${n}`, title: "Reject", click: () => hand.reject(n) }, "✕"),
      ),
    );
    row.addEventListener("click", (event) => {
      if (!(event.target as Element).closest("button, input")) hand.choose(n);
    });
    return row;
  }
}

export function hex(colour: Colour): string {
  return `#${colour.map((c) => c.toString(16).padStart(2, "0")).join("")}`;
}

export function rgb(text: string): Colour {
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) as Colour;
}
