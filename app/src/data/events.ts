/** What the server tells by itself: changes of a session, and jobs. */

import { get, send, type Change, type Job } from "./api";

/** Jobs are looked at this often too, should the stream have broken. */
const LOOK_MS = 2000;

export class Events {
  private source: EventSource | null = null;
  private readonly following = new Map<string, (job: Job) => void>();

  /** Listens to the reader's jobs and to one session. */
  listen(session: string | null, changed: (change: Change) => void, gone: () => void, hello: (revision: number) => void): void {
    this.close();
    const source = new EventSource(session ? `api/events?session=${session}` : "api/events");
    const on = <T>(event: string, then: (data: T) => void) =>
      source.addEventListener(event, (message) => then(JSON.parse((message as MessageEvent<string>).data) as T));
    on<Change & { session: string }>("change", (data) => data.session === session && changed(data));
    on<{ session: string }>("gone", (data) => data.session === session && gone());
    on<{ session: string | null; revision: number | null }>("hello", (data) => {
      if (data.session === session && data.revision !== null) hello(data.revision);
    });
    on<Job>("job", (job) => this.following.get(job.id)?.(job));
    this.source = source;
  }

  close(): void {
    this.source?.close();
    this.source = null;
  }

  /** Waits until a job is over; fails with its sentence. */
  follow(job: Job, told: (job: Job) => void): Promise<Job> {
    return new Promise((done, fail) => {
      const look = () => get<Job>(`jobs/${job.id}`).then(heard, over(fail));
      const timer = setInterval(look, LOOK_MS);
      const over =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearInterval(timer);
          this.following.delete(job.id);
          then(value);
        };
      const heard = (now: Job) => {
        told(now);
        if (now.state === "done") over(done)(now);
        else if (now.state === "failed") over(fail)(new Error(now.error ?? "the work failed"));
        else if (now.state === "cancelled") over(fail)(new Cancelled());
      };
      this.following.set(job.id, heard);
      heard(job);
      if (job.state === "running") look();
    });
  }

  cancel(job: string): Promise<Job> {
    return send<Job>("DELETE", `jobs/${job}`);
  }
}

/** The reader has stopped it. */
export class Cancelled extends Error {
  constructor() {
    super("cancelled");
  }
}
