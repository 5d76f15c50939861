/** What long work has done so far, with a way to stop it. */

import type { Job } from "../data/api";
import { Cancelled, type Events } from "../data/events";
import { attempt, button, h } from "./dom";

export class Progress {
  readonly element = h("div", { class: "progress", "aria-live": "polite" });

  constructor(private readonly events: Events) {}

  show(title: string, share: number | null, stop?: () => void): void {
    this.element.replaceChildren(
      h("span", {}, title),
      h("progress", share === null ? { "aria-label": title } : { value: share, max: 1, "aria-label": title }),
      ...(stop ? [button("Cancel", stop)] : []),
    );
  }

  clear(): void {
    this.element.replaceChildren();
  }

  /** Waits for a job; null if the reader has stopped it. */
  async follow(job: Job, title: string): Promise<Job | null> {
    const stop = () => void attempt(() => this.events.cancel(job.id));
    try {
      return await this.events.follow(job, (now) =>
        this.show(now.message ? `${title}: ${now.message}` : title, now.progress, stop),
      );
    } catch (error) {
      if (error instanceof Cancelled) return null;
      throw error;
    } finally {
      this.clear();
    }
  }
}
