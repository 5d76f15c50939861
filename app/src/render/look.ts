/** How a reading looks: windows, fusion, colours. The notebook's viewer reads the same file. */

import shared from "../../../sam_pet/viewer/look.json";
import type { Colour } from "../data/api";

export type Shown = "fused" | "pet" | "ct";

export interface Look {
  suv: [number, number];
  ct: [number, number];
  fusion: number;
  shown: Shown;
  /** Whether the lesions are drawn. */
  lesions: boolean;
}

export const FIRST_LOOK: Look = {
  suv: shared.suv as [number, number],
  ct: shared.ct as [number, number],
  fusion: shared.fusion,
  shown: "fused",
  lesions: true,
};
export const FILL = shared.fill;
export const CROSS = css(shared.cross as Colour);
export const STROKES = {
  tumor: css(shared.strokes.tumor as Colour),
  background: css(shared.strokes.background as Colour),
};

export const SUV_WINDOWS: { title: string; suv: [number, number] }[] = [
  { title: "SUV 0-5", suv: [0, 5] },
  { title: "SUV 0-10", suv: [0, 10] },
  { title: "SUV 0-20", suv: [0, 20] },
];
export const CT_WINDOWS: { title: string; ct: [number, number] }[] = [
  { title: "Soft tissue", ct: shared.ct as [number, number] },
  { title: "Lung", ct: [-1350, 150] },
  { title: "Bone", ct: [-500, 1300] },
];

/** Black, red, yellow, white: place, red, green, blue. */
export const HOT = [
  [0, 0.0416, 0, 0],
  [0.365079, 1, 0, 0],
  [0.746032, 1, 1, 0],
  [1, 1, 1, 1],
];

export function css([r, g, b]: Colour, alpha = 1): string {
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}
