"""A language model at a desk, against a server that plays recorded answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from sam_pet.agent.desk import AgentDesk
from sam_pet.agent.llm import KEY, URL, LlmPolicy
from sam_pet.agent.policies import make_policy
from sam_pet.agent.policy import run_episode
from sam_pet.agent.tools import TOOLS
from sam_pet.benchmark.folder import ResultsFolder
from sam_pet.benchmark.protocol import Protocol
from sam_pet.benchmark.report import write_report
from sam_pet.benchmark.run import evaluate
from sam_pet.cases import find_cases
from sam_pet.errors import InputError
from tests.benchmark.cases import write_case
from tests.fakes import random_segmenter, two_lesion_study


class StandIn:
    """A server that gives recorded answers in their order, and keeps what it was asked."""

    def __init__(self, answers):
        self.asked: list[dict] = []
        self.keys: list[str | None] = []
        waiting = iter(answers)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                outer.keys.append(self.headers["Authorization"])
                status, body = next(waiting)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def answer(*calls, text="", read=100, written=10):
    """A completion that calls tools."""
    message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": f"call-{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for n, (name, arguments) in enumerate(calls)
        ]
    usage = {"prompt_tokens": read, "completion_tokens": written}
    return 200, {"choices": [{"message": message}], "usage": usage}


@pytest.fixture
def desk():
    return AgentDesk(random_segmenter().open(two_lesion_study()))


def test_it_looks_acts_and_stops_and_its_tokens_are_counted(desk):
    answers = [
        answer(("look_mip", {}), text="Let me look."),
        answer(("add_point", {"voxel": [20, 24, 10]}), ("list_lesions", {})),
        answer(("stop", {"reason": "all marked"}), read=500, written=20),
    ]
    with StandIn(answers) as server:
        policy = LlmPolicy("m", server.url, "secret")
        episode = run_episode(desk, policy, 5)
    assert (episode.stopped, episode.reason, len(episode.turns), episode.calls) == (True, "all marked", 1, 4)
    assert (policy.tokens.read, policy.tokens.written) == (700, 40)
    assert desk.session.array.any()
    assert server.keys == ["Bearer secret"] * 3
    first, second, third = server.asked
    assert {tool["function"]["name"] for tool in first["tools"]} == set(TOOLS)
    assert "5 turns" in first["messages"][0]["content"]
    # The picture comes after what the tool said, as something that a user shows.
    assert [m["role"] for m in second["messages"]] == ["system", "user", "assistant", "tool", "user"]
    assert second["messages"][-1]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    told = [m for m in third["messages"] if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in told] == ["call-0", "call-0", "call-1"]
    assert "4 turns left" in told[1]["content"]


def test_a_call_at_fault_is_told_to_it_and_it_goes_on(desk):
    answers = [
        answer(("add_point", {"voxel": [9999, 0, 0]})),
        answer(("add_point", {"voxel": "20,24,10"})),
        answer(("open_shell", {})),
        answer(("add_point", {"voxel": [20, 24, 10]})),
        answer(("stop", {})),
    ]
    with StandIn(answers) as server:
        episode = run_episode(desk, LlmPolicy("m", server.url), 5)
    assert (episode.faults, len(episode.turns), episode.stopped) == (3, 1, True)
    said = [m["content"] for m in server.asked[-1]["messages"] if m["role"] == "tool"]
    assert "outside the PET grid" in said[0]
    assert "valid array" in said[1]
    assert "no tool 'open_shell'" in said[2]
    assert server.keys == [None] * 5


def test_arguments_that_are_no_json_are_a_fault(desk):
    broken = answer(("add_point", {}))
    broken[1]["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = '{"voxel": [20,'
    with StandIn([broken, answer(("stop", {}))]) as server:
        episode = run_episode(desk, LlmPolicy("m", server.url), 5)
    assert episode.faults == 1


def test_who_calls_no_tool_is_reminded_once_and_then_ended(desk):
    with StandIn([answer(text="Fine."), answer(text="Fine, I said.")]) as server:
        episode = run_episode(desk, LlmPolicy("m", server.url), 5)
    assert episode.reason == "the model called no tool"
    assert "stop" in server.asked[1]["messages"][-1]["content"]


def test_old_pictures_are_not_sent_again(desk):
    with StandIn([answer(("look_mip", {}))] * 6 + [answer(("stop", {}))]) as server:
        run_episode(desk, LlmPolicy("m", server.url), 5)
    shown = [m["content"] for m in server.asked[-1]["messages"] if m["role"] == "user"]
    assert sum(isinstance(content, list) for content in shown) == 4
    assert shown.count("(an earlier picture)") == 2


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(401, {})], "401"),
        ([(200, b"not json")] * 3, "gives no answer"),
        ([(200, {"error": "no such model"})], "no chat completion"),
        ([(200, {"choices": [{"message": {"tool_calls": [{"id": 1}]}}]})], "no chat completion"),
    ],
)
def test_a_server_that_is_none_is_one_line_without_the_key(desk, answers, message, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with StandIn(answers) as server, pytest.raises(InputError, match=message) as caught:
        run_episode(desk, LlmPolicy("m", f"{server.url}?key=hidden", "secret"), 5)
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_busy_server_is_asked_again(desk, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with StandIn([(503, {}), (429, {}), answer(("stop", {"reason": "x"}))]) as server:
        assert run_episode(desk, LlmPolicy("m", server.url), 5).reason == "x"


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://there/v1", "127.0.0.1:80", "http://user:key@127.0.0.1/v1"]
)
def test_an_address_that_is_none_is_refused(url, monkeypatch):
    monkeypatch.setenv(URL, url)
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(InputError, match=URL):
        make_policy("agent:llm:model")


@pytest.mark.parametrize("name", ["agent:", "agent:rul", "agent:rule:x", "agent:llm:", "agent:llm"])
def test_other_agents_are_unknown(name, monkeypatch):
    monkeypatch.setenv(URL, "http://127.0.0.1:1/v1")
    with pytest.raises(InputError, match="agent"):
        make_policy(name)


def test_evaluate_reports_what_an_agent_was_worth(tmp_path, monkeypatch):
    write_case(tmp_path / "cases" / "A")
    cases = find_cases(tmp_path / "cases")
    study = cases[0].study()
    z, y, x = np.unravel_index(int(study.pet.argmax()), study.pet.shape)
    answers = [answer(("add_point", {"voxel": [int(x), int(y), int(z)]})), answer(("undo", {})), answer(("stop", {}))]
    protocol = Protocol("agent:llm:m", 3, "nothing", 42)
    with StandIn(answers) as server:
        monkeypatch.setenv(URL, server.url)
        results = evaluate(cases, ["sam-pet"], protocol, tmp_path / "out")
    agent = results[0]["agent"]
    dice = [row["dice"] for row in results[0]["rows"]]
    assert len(dice) == 4
    assert dice[1] > dice[0] == dice[2] == dice[3]
    assert [row["action"] for row in results[0]["rows"]] == [None, "add_point", "undo", None]
    assert agent["turns"] == 2
    assert (agent["tokens_read"], agent["tokens_written"]) == (300, 30)
    assert agent["dice"] == dice[:3]
    assert agent["parsimony"] == 0.0
    assert agent["overshoot"] == dice[1] - dice[0]
    assert agent["stopped"] is True
    assert agent["wrong_stop"] is True
    summary = write_report(ResultsFolder(tmp_path / "out"), results, cases, protocol, reference="sam-pet")
    assert summary["agents"]["sam-pet"]["turns"] == 2
    assert "1 of 1" in Path(summary["report"]).read_text()
