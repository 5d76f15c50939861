/** Elements without a framework. Text is only ever put in as text: names of patients are of unknown origin. */

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child instanceof Node || Boolean(child)));
  return element;
}

let notices: HTMLElement | null = null;

/** One sentence for the reader; a fault stays until it is dismissed or long read. */
export function tell(sentence: string, kind: "fault" | "note" = "note"): void {
  notices ??= document.body.appendChild(h("div", { id: "notices", role: "status", "aria-live": "polite" }));
  const notice = h(
    "p",
    { class: kind, role: kind === "fault" ? "alert" : null },
    sentence,
    h("button", { type: "button", "aria-label": "Dismiss", click: () => notice.remove() }, "×"),
  );
  notices.append(notice);
  setTimeout(() => notice.remove(), kind === "fault" ? 15000 : 5000);
}

/** Runs what may fail, and shows why it did. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error), "fault");
  }
}

export function button(title: string, click: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", click, ...attributes }, title);
}

/** Saves bytes as a file of the reader's. */
export function download(bytes: Blob, name: string): void {
  const link = h("a", { href: URL.createObjectURL(bytes), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** A modal dialog that closes with Escape and gives the focus back. */
export function dialog(title: string, ...children: Child[]): HTMLDialogElement {
  const box = h("dialog", { "aria-label": title });
  const close = button("Close", () => box.close(), { class: "close" });
  box.append(h("h2", {}, title), ...children.filter((c): c is Node | string => Boolean(c)), close);
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

/** A number with so many digits after the point, or a dash where there is none. */
export function number(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits);
}
