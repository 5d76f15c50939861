/** Exports and the table of keys. */

import { ask, type About } from "../data/api";
import type { Reading } from "../data/reading";
import { COMMANDS } from "../input/keys";
import { attempt, button, dialog, download, h } from "./dom";

export function help(): void {
  dialog(
    "Keys and hand",
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of keys" },
      h(
        "table",
        { class: "keys" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Key"), h("th", { scope: "col" }, "Does"))),
        h(
          "tbody",
          {},
          ...[
            ["click, drag", "lesion"],
            ["right button, or Shift", "background"],
            ["Alt and click", "crosshair alone"],
            ["wheel", "slices"],
            ["Ctrl and wheel", "zoom"],
            ["middle button, or Ctrl and drag", "move the picture"],
            ["projection: click, drag", "to the hottest voxel behind it; turn"],
          ].map(([hand, does]) => h("tr", {}, h("td", {}, hand), h("td", {}, does))),
          ...COMMANDS.map(({ keys, does }) =>
            h(
              "tr",
              {},
              h("td", {}, ...keys.flatMap((key, i) => [i ? " or " : null, h("kbd", {}, key)])),
              h("td", {}, does),
            ),
          ),
        ),
      ),
    ),
  );
}

export function exports(reading: Reading, about: About, store: (kinds: string[]) => void): void {
  const rows = about.exports
    .filter((one) => reading.state.dicom || !one.needs_dicom)
    .map((one) =>
      button(one.title, () => attempt(() => save(reading, one.kind, one.file)), { "data-export": one.kind }),
    );
  const box = dialog("Export", h("div", { class: "exports" }, ...rows));
  if (!about.pacs || !reading.state.dicom) return;
  const kinds = about.exports.filter((one) => one.needs_dicom).map((one) => one.kind);
  box.insertBefore(
    h(
      "div",
      { class: "exports" },
      button(
        "Send SEG, RTSTRUCT and report to the PACS",
        () => {
          box.close();
          store(kinds);
        },
        { "data-command": "store" },
      ),
    ),
    box.querySelector(".close"),
  );
}

async function save(reading: Reading, kind: string, file: string): Promise<void> {
  const answer = await ask(`sessions/${reading.id}/exports/${kind}`);
  const named = /filename="?([^";]+)"?/.exec(answer.headers.get("content-disposition") ?? "");
  download(await answer.blob(), named?.[1] ?? file);
}
