/** Every command of a reading and its keys: one table for the hand and for the help. */

export interface Command {
  name: string;
  /** As shown; the first is the one to learn. */
  keys: string[];
  does: string;
}

export const COMMANDS: Command[] = [
  { name: "left", keys: ["ArrowLeft"], does: "crosshair left (the projection: turn)" },
  { name: "right", keys: ["ArrowRight"], does: "crosshair right (the projection: turn)" },
  { name: "up", keys: ["ArrowUp"], does: "crosshair up" },
  { name: "down", keys: ["ArrowDown"], does: "crosshair down" },
  { name: "previous", keys: ["PageUp", ","], does: "previous slice" },
  { name: "next", keys: ["PageDown", "."], does: "next slice" },
  { name: "pane1", keys: ["1"], does: "to the axial slice" },
  { name: "pane2", keys: ["2"], does: "to the coronal slice" },
  { name: "pane3", keys: ["3"], does: "to the sagittal slice" },
  { name: "pane4", keys: ["4"], does: "to the projection" },
  { name: "hot", keys: ["G"], does: "to the hottest voxel within 20 mm" },
  { name: "zoomIn", keys: ["+", "="], does: "zoom in" },
  { name: "zoomOut", keys: ["-"], does: "zoom out" },
  { name: "panLeft", keys: ["Shift+ArrowLeft"], does: "move the picture left" },
  { name: "panRight", keys: ["Shift+ArrowRight"], does: "move the picture right" },
  { name: "panUp", keys: ["Shift+ArrowUp"], does: "move the picture up" },
  { name: "panDown", keys: ["Shift+ArrowDown"], does: "move the picture down" },
  { name: "fit", keys: ["Home"], does: "show all" },
  { name: "turn", keys: ["R"], does: "turn the projection" },
  { name: "suvWindow", keys: ["W"], does: "next SUV window (0-5, 0-10, 0-20)" },
  { name: "ctWindow", keys: ["Q"], does: "next CT window (soft tissue, lung, bone)" },
  { name: "lessPet", keys: ["["], does: "less PET" },
  { name: "morePet", keys: ["]"], does: "more PET" },
  { name: "petOnly", keys: ["P"], does: "PET alone, and back" },
  { name: "ctOnly", keys: ["C"], does: "CT alone, and back" },
  { name: "lesions", keys: ["M"], does: "hide and show all lesions" },
  { name: "tumor", keys: ["Enter"], does: "this is lesion (at the crosshair, or the stroke)" },
  { name: "background", keys: ["Shift+Enter"], does: "this is background (at the crosshair, or the stroke)" },
  { name: "stroke", keys: ["S"], does: "begin a stroke that the arrows draw; again to give it up" },
  { name: "outline", keys: ["N"], does: "next proposal for the same click" },
  { name: "remove", keys: ["Delete", "Backspace"], does: "remove the lesion under the pointer or crosshair" },
  { name: "undo", keys: ["Ctrl+Z"], does: "undo" },
  { name: "redo", keys: ["Ctrl+Shift+Z", "Ctrl+Y"], does: "redo" },
  { name: "tool1", keys: ["T"], does: "tool: lesion" },
  { name: "tool2", keys: ["B"], does: "tool: brush" },
  { name: "tool3", keys: ["E"], does: "tool: eraser" },
  { name: "tool4", keys: ["I"], does: "tool: look (a click moves the crosshair)" },
  { name: "lesionNext", keys: ["J"], does: "next lesion of the table" },
  { name: "lesionPrevious", keys: ["K"], does: "previous lesion of the table" },
  { name: "chooseNone", keys: ["Escape"], does: "choose no lesion: the brush begins a new one" },
  { name: "accept", keys: ["Y"], does: "accept the chosen lesion, go to the next" },
  { name: "reject", keys: ["X"], does: "reject the chosen lesion, go to the next" },
  { name: "hide", keys: ["V"], does: "hide or show the chosen lesion" },
  { name: "lock", keys: ["L"], does: "lock or unlock the chosen lesion" },
  { name: "firstAnswer", keys: ["F"], does: "first answer of the model" },
  { name: "preselect", keys: ["D"], does: "preselect by the chosen rule" },
  { name: "export", keys: ["O"], does: "export" },
  { name: "help", keys: ["?"], does: "this table" },
];

/** How a key press is written in the table; a shift that a character needs is part of it. */
export function pressed(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">): string {
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const shift = event.shiftKey && (event.key.length > 1 || /[A-Z]/.test(key));
  return [event.ctrlKey || event.metaKey ? "Ctrl+" : "", event.altKey ? "Alt+" : "", shift ? "Shift+" : "", key].join("");
}

const BY_KEY = new Map(COMMANDS.flatMap(({ name, keys }) => keys.map((key) => [key, name] as const)));

export function command(event: Parameters<typeof pressed>[0]): string | undefined {
  return BY_KEY.get(pressed(event));
}
