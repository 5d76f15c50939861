import { expect, test } from "vitest";
import type { Lesion } from "../src/data/api";
import { hex, rgb, sorted } from "../src/ui/table";

const lesions = [
  { lesion: 1, name: "Lesion 10", volume_ml: 3, suv_peak: null },
  { lesion: 2, name: "Lesion 2", volume_ml: 5, suv_peak: 4 },
  { lesion: 3, name: "Lesion 1", volume_ml: 3, suv_peak: 9 },
] as Lesion[];
const order = (key: keyof Lesion, falling: boolean) => sorted(lesions, { key, falling }).map((one) => one.lesion);

test("lesions are sorted by any column, equal ones by their number, empty ones last", () => {
  expect(order("volume_ml", true)).toEqual([2, 1, 3]);
  expect(order("volume_ml", false)).toEqual([1, 3, 2]);
  expect(order("name", false)).toEqual([3, 2, 1]);
  expect(order("suv_peak", true)).toEqual([3, 2, 1]);
  expect(order("suv_peak", false)).toEqual([2, 3, 1]);
});

test("colours are written as inputs want them", () => {
  expect(hex([230, 159, 0])).toBe("#e69f00");
  expect(rgb("#e69f00")).toEqual([230, 159, 0]);
});
