/** What can be read: studies at hand, an upload, a PACS; and readings that were begun. */

import { ask, get, post, send, type About, type Job, type PacsStudy, type Study, type Summary } from "../data/api";
import type { Events } from "../data/events";
import { attempt, button, h, tell } from "./dom";
import { Progress } from "./progress";

export class Start {
  readonly element = h("main", { class: "start" });
  private readonly progress: Progress;

  constructor(
    private readonly about: About,
    private readonly events: Events,
    /** Opens a session. */
    private readonly enter: (session: string) => void,
  ) {
    this.progress = new Progress(events);
  }

  async show(): Promise<void> {
    const [{ studies }, { sessions }] = await Promise.all([
      get<{ studies: Study[] }>("studies"),
      get<{ sessions: Summary[] }>("sessions"),
    ]);
    this.events.listen(
      null,
      () => undefined,
      () => undefined,
      () => undefined,
    );
    this.element.replaceChildren(
      h("h1", {}, "sam_pet"),
      h("p", { class: "lead" }, "Interactive segmentation of PET/CT. For research, not for diagnosis."),
      this.progress.element,
      this.studies(studies),
      ...(sessions.length ? [this.sessions(sessions)] : []),
      this.upload(),
      ...(this.about.pacs ? [this.pacs()] : []),
      h("footer", {}, `Version ${this.about.version}, model ${this.about.model.name}`),
    );
  }

  /** Begins a reading of a study. */
  async begin(study: Study): Promise<void> {
    const { session, job } = await post<{ session: Summary; job: Job }>("sessions", {
      study: study.id,
      pet: study.pet,
      ct: study.ct,
    });
    if (await this.progress.follow(job, "Opening the study")) this.enter(session.id);
  }

  private studies(studies: Study[]): HTMLElement {
    const rows = studies.map((study) =>
      h(
        "tr",
        { "data-study": study.id },
        h("td", {}, study.title),
        h("td", {}, study.patient),
        h("td", {}, date(study.date)),
        h("td", {}, study.simulated ? `${study.description} (simulated)` : study.description),
        h("td", {}, study.series.map((one) => `${one.modality} ${one.images}`).join(", ")),
        h(
          "td",
          {},
          study.problem
            ? h("span", { class: "problem" }, study.problem)
            : button("Read", () => attempt(() => this.begin(study)), { "aria-label": `Read ${study.title}` }),
        ),
      ),
    );
    return h("section", {}, h("h2", {}, "Studies"), table(["Study", "Patient", "Date", "Description", "Series", ""], rows));
  }

  private sessions(sessions: Summary[]): HTMLElement {
    const rows = sessions.map((one) =>
      h(
        "tr",
        { "data-session": one.id },
        h("td", {}, one.title),
        h("td", {}, new Date(one.changed).toLocaleString()),
        h("td", {}, String(one.lesions)),
        h(
          "td",
          {},
          one.problem ? h("span", { class: "problem" }, one.problem) : null,
          one.problem ? null : button("Go on", () => attempt(() => this.goOn(one)), { "aria-label": `Go on with ${one.title}` }),
          button("Delete", () => attempt(() => this.remove(one)), { "aria-label": `Delete the reading of ${one.title}` }),
        ),
      ),
    );
    return h("section", {}, h("h2", {}, "Readings"), table(["Study", "Changed", "Lesions", ""], rows));
  }

  private async goOn(summary: Summary): Promise<void> {
    const { job } = await post<{ job: Job }>(`sessions/${summary.id}/open`);
    if (await this.progress.follow(job, "Opening the reading")) this.enter(summary.id);
  }

  private async remove(summary: Summary): Promise<void> {
    if (!confirm(`Delete the reading of ${summary.title}, with its ${summary.lesions} lesions?`)) return;
    await send("DELETE", `sessions/${summary.id}`);
    await this.show();
  }

  private upload(): HTMLElement {
    const pick = (title: string, folder: boolean) => {
      const input = h("input", { type: "file", multiple: true, webkitdirectory: folder, "data-upload": folder ? "folder" : "files" });
      input.addEventListener("change", () => attempt(() => this.send([...(input.files ?? [])])));
      return h("label", {}, title, input);
    };
    return h(
      "section",
      { class: "upload" },
      h("h2", {}, "From this computer"),
      h("p", {}, "DICOM, NIfTI, MHA, NRRD, or a zip of them. PET, and CT if there is one."),
      pick("Folder", true),
      pick("Files", false),
    );
  }

  private async send(files: File[]): Promise<void> {
    if (!files.length) return;
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    const { id } = await post<{ id: string }>("uploads", { bytes });
    const stopped = new AbortController();
    const stop = () => stopped.abort();
    let sent = 0;
    try {
      for (const [n, file] of files.entries()) {
        this.progress.show("Sending files", sent / bytes, stop);
        const init = { method: "PUT", body: file, signal: stopped.signal };
        await ask(`uploads/${id}/files/${n}?name=${encodeURIComponent(file.name)}`, init);
        sent += file.size;
      }
      this.progress.show("Reading the files", null);
      const study = await post<Study>(`uploads/${id}/done`);
      if (study.problem) tell(study.problem, "fault");
      await this.show();
    } catch (error) {
      await send("DELETE", `uploads/${id}`).catch(() => undefined);
      if (!stopped.signal.aborted) throw error;
    } finally {
      this.progress.clear();
    }
  }

  private pacs(): HTMLElement {
    const found = h("div", { class: "found" });
    const patient = h("input", { name: "patient", placeholder: "name, * for any part" });
    const day = h("input", { name: "date", placeholder: "20260131-20260228" });
    const form = h(
      "form",
      { class: "pacs" },
      h("label", {}, "Patient", patient),
      h("label", {}, "Date", day),
      h("button", { type: "submit" }, "Search"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const query = new URLSearchParams({ modality: "PT", limit: "50" });
      if (patient.value) query.set("patient", patient.value);
      if (day.value) query.set("date", day.value);
      void attempt(async () => {
        const { studies } = await get<{ studies: PacsStudy[] }>(`pacs/studies?${query}`);
        const rows = studies.map((one) =>
          h(
            "tr",
            { "data-uid": one.uid },
            h("td", {}, one.patient),
            h("td", {}, one.patient_id),
            h("td", {}, date(one.date)),
            h("td", {}, one.description),
            h("td", {}, one.modalities.join(", ")),
            h(
              "td",
              {},
              button("Read", () => attempt(() => this.fetch(one)), { "aria-label": `Read the study of ${one.patient}` }),
            ),
          ),
        );
        found.replaceChildren(
          rows.length
            ? table(["Patient", "ID", "Date", "Description", "Modalities", ""], rows)
            : h("p", {}, "The PACS has no such study."),
        );
      });
    });
    return h("section", {}, h("h2", {}, "From the PACS"), form, found);
  }

  private async fetch(study: PacsStudy): Promise<void> {
    const job = await post<Job>(`pacs/studies/${study.uid}/load`);
    const done = await this.progress.follow(job, "Loading from the PACS");
    if (done) await this.begin(await get<Study>(`studies/${done.result?.study}`));
  }
}

function table(titles: string[], rows: HTMLElement[]): HTMLElement {
  const head = titles.map((title) =>
    h("th", { scope: "col" }, title || h("span", { class: "hidden-text" }, "Actions")),
  );
  return h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
}

/** DICOM's date as ISO writes it. */
export function date(text: string): string {
  return /^\d{8}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text;
}
