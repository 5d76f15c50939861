/** The server's answers, and how they are asked for. See docs/app-api.md. */

import type { AxialState, GridState, Vec3 } from "./grid";

export type Label = "tumor" | "background";
export type Colour = [number, number, number];

export interface Choice {
  rule: string;
  title: string;
}
export interface Export {
  kind: string;
  title: string;
  file: string;
  needs_dicom: boolean;
}
export interface About {
  version: string;
  reader: string;
  model: { name: string; trained: boolean };
  pacs: boolean;
  upload_bytes: number;
  outlines: Choice[];
  preselect: Choice[];
  exports: Export[];
}
export interface Series {
  id: string;
  modality: string;
  description: string;
  images: number;
}
export interface Study {
  id: string;
  title: string;
  source: "folder" | "upload" | "pacs" | "simulated";
  simulated: boolean;
  dicom: boolean;
  patient: string;
  patient_id: string;
  date: string;
  description: string;
  series: Series[];
  pet: string | null;
  ct: string | null;
  problem: string | null;
}
export interface PacsStudy {
  uid: string;
  patient: string;
  patient_id: string;
  date: string;
  description: string;
  modalities: string[];
  images: number | null;
}
export interface Job {
  id: string;
  kind: "open" | "load" | "first-answer" | "store";
  state: "running" | "done" | "failed" | "cancelled";
  progress: number | null;
  message: string;
  session: string | null;
  result: { study?: string; stored?: { kind: string; uid: string }[] } | null;
  error: string | null;
}
export interface Summary {
  id: string;
  study: string;
  title: string;
  created: string;
  changed: string;
  revision: number;
  lesions: number;
  open: boolean;
  problem: string | null;
}
export interface Update {
  revision: number;
  reset: boolean;
  low: Vec3;
  size: Vec3;
  data: string;
}
export interface Lesion {
  lesion: number;
  name: string;
  colour: Colour;
  hidden: boolean;
  locked: boolean;
  accepted: boolean;
  found: boolean;
  outline: string;
  volume_ml: number;
  suv_max: number | null;
  suv_mean: number | null;
  suv_peak: number | null;
  tlg: number | null;
  diameter_mm: number | null;
  voxels: number;
  centroid: Vec3;
  hottest: Vec3;
  low: Vec3;
  size: Vec3;
}
export interface Totals {
  lesions: number;
  total_mtv_ml: number;
  total_tlg: number | null;
  dmax_mm: number | null;
  suv_max: number | null;
}
export interface Change {
  revision: number;
  update: Update | null;
  lesion: number | null;
  can_undo: boolean;
  can_redo: boolean;
  first_answer: string | null;
  lesions: Lesion[];
  totals: Totals;
}
export interface Prompt {
  number: number;
  kind: "click" | "scribble" | "box" | "rejection" | "paint";
  label: Label;
  lesions: number[];
  voxels: Vec3[];
}
export interface State extends Change {
  id: string;
  study: string;
  title: string;
  grid: GridState;
  axial: AxialState;
  has_ct: boolean;
  suv_max: number;
  dicom: boolean;
  simulated: boolean;
  prompts: Prompt[];
}
export interface Hover {
  low: Vec3;
  size: Vec3;
  data: string;
  volume_ml: number;
  suv_max: number;
}

/** Carries the sentence to show. */
export class ApiError extends Error {
  constructor(
    sentence: string,
    readonly status: number,
  ) {
    super(sentence);
  }
}

const UNREACHABLE = "the server does not answer; is sam-pet serve still running?";

export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`api/${path}`, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(UNREACHABLE, 0);
  }
  if (!answer.ok) throw new ApiError(await sentence(answer), answer.status);
  return answer;
}

async function sentence(answer: Response): Promise<string> {
  try {
    const body: unknown = await answer.json();
    if (body && typeof body === "object" && "error" in body && typeof body.error === "string") return body.error;
  } catch {
    // Not ours: a proxy's page, say.
  }
  return `the server refused with status ${answer.status}`;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask(path, { signal })).json() as Promise<T>;
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  const answer = await ask(path, init);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

export const post = <T>(path: string, body?: unknown) => send<T>("POST", path, body);

/** What base64 of gzip holds. */
export async function unpack(data: string): Promise<ArrayBuffer> {
  if (!data) return new ArrayBuffer(0);
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
