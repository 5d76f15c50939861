/** From the list of studies into a reading and back; the address says which. */

import { get, type About, type Study, type Summary } from "./data/api";
import { Events } from "./data/events";
import { attempt, h, tell } from "./ui/dom";
import { Room } from "./ui/room";
import { Start } from "./ui/start";
import "./style.css";

const page = document.querySelector<HTMLElement>("#app")!;
const events = new Events();
let room: Room | null = null;

const put = (element: HTMLElement) => page.replaceChildren(element);
const wanted = () => /^#session=([\w-]+)$/.exec(location.hash)?.[1] ?? null;

async function route(about: About): Promise<void> {
  room?.close();
  room = null;
  const session = wanted();
  if (session) {
    performance.mark("read");
    const progress = h("progress", { max: 1, value: 0, "aria-label": "Loading" });
    put(h("main", { class: "loading" }, h("p", {}, "Loading the study"), progress));
    try {
      const leave = () => {
        location.hash = "";
      };
      room = await Room.open(session, about, events, put, (share) => (progress.value = share), leave);
      return;
    } catch (error) {
      tell(error instanceof Error ? error.message : String(error), "fault");
      history.replaceState(null, "", location.pathname);
    }
  }
  await list(about);
}

async function list(about: About): Promise<Start> {
  const start = new Start(about, events, (id) => {
    location.hash = `session=${id}`;
  });
  put(start.element);
  await start.show();
  return start;
}

/** A server that was started with one study opens it, or goes on with its reading. */
async function straight(about: About): Promise<void> {
  const start = await list(about);
  const { studies } = await get<{ studies: Study[] }>("studies");
  const { sessions } = await get<{ sessions: Summary[] }>("sessions");
  const given = studies.filter((one) => one.source === "folder");
  if (given.length !== 1 || given[0].problem) return;
  const begun = sessions.find((one) => one.study === given[0].id && !one.problem);
  if (begun) location.hash = `session=${begun.id}`;
  else await start.begin(given[0]);
}

void attempt(async () => {
  const about = await get<About>("about");
  addEventListener("hashchange", () => void attempt(() => route(about)));
  if (wanted()) await route(about);
  else await straight(about);
});
