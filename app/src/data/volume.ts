/** A PET or CT as the server sends it: int16 with a slope, x fastest as stored. */

import { ask } from "./api";

export interface Volume {
  data: Int16Array;
  slope: number;
}

/** Loads one, telling how many bytes have come. */
export async function loadVolume(session: string, kind: "pet" | "ct", told: (bytes: number) => void): Promise<Volume> {
  const answer = await ask(`sessions/${session}/volumes/${kind}?form=raw&type=int16`);
  const slope = Number(answer.headers.get("x-slope") ?? 1);
  const length = Number(answer.headers.get("content-length") ?? 0);
  if (!length || !answer.body) return { data: new Int16Array(await answer.arrayBuffer()), slope };
  const bytes = new Uint8Array(length);
  const reader = answer.body.getReader();
  let got = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes.set(part.value, got);
    got += part.value.length;
    told(got);
  }
  return { data: new Int16Array(bytes.buffer), slope };
}
