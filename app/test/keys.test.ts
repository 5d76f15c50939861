import { expect, test } from "vitest";
import { command, COMMANDS, pressed } from "../src/input/keys";

const press = (key: string, held: Partial<Record<"ctrlKey" | "metaKey" | "shiftKey" | "altKey", boolean>> = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...held,
});

test("no key has two meanings", () => {
  const keys = COMMANDS.flatMap((one) => one.keys);
  expect(new Set(keys).size).toBe(keys.length);
});

test("keys are told apart by what is held, but not by the shift that a sign needs", () => {
  expect(command(press("z", { ctrlKey: true }))).toBe("undo");
  expect(command(press("Z", { ctrlKey: true, shiftKey: true }))).toBe("redo");
  expect(command(press("z", { metaKey: true }))).toBe("undo");
  expect(command(press("z"))).toBeUndefined();
  expect(command(press("Enter"))).toBe("tumor");
  expect(command(press("Enter", { shiftKey: true }))).toBe("background");
  expect(command(press("?", { shiftKey: true }))).toBe("help");
  expect(command(press("+", { shiftKey: true }))).toBe("zoomIn");
  expect(command(press("s", { ctrlKey: true }))).toBeUndefined();
  expect(pressed(press("ArrowLeft", { shiftKey: true }))).toBe("Shift+ArrowLeft");
});
