"""A language model that works at a desk: any server with OpenAI's chat completions and tools, as many local ones have.

The address is that of `OPENAI_BASE_URL`, such as http://127.0.0.1:11434/v1, the key that of `OPENAI_API_KEY`, if any.
"""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sam_pet.agent.desk import Desk
from sam_pet.agent.policy import Call, Tokens, Told
from sam_pet.agent.tools import TOOLS
from sam_pet.errors import InputError, one_line

URL, KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
_TIMEOUT_S = 300.0
_TRIES = 3
_TRY_AGAIN = (408, 429, 500, 502, 503, 504)
_PICTURES_KEPT = 4
_MOST_BYTES = 1 << 24
_TASK = """You segment the lesions of a whole-body PET/CT with tools. Look first, act, look again, and stop when the \
next change is not worth its turn. A mask stands already if first_answer found lesions. Add what is missing, reject \
what is physiological uptake (brain, heart, kidneys, bladder, bowel, glands), correct outlines with points or strokes. \
You have {turns} turns; looking and listing are free. Answer with one tool call at a time, and call stop at the end."""
_REMINDER = "Answer with a tool call; call stop if the mask is as good as it gets."


@dataclass
class LlmPolicy:
    """Asks a server for each call.

    Args:
        model: its name on the server.
        url: the server's address, up to /v1.
        key: None where it needs none.

    Raises:
        InputError: the address is none of http or https.
    """

    model: str
    url: str
    key: str | None = None
    tokens: Tokens = field(default_factory=Tokens)
    _messages: list[dict[str, Any]] = field(default_factory=list)
    _waiting: deque[tuple[str, Call]] = field(default_factory=deque)
    _later: list[dict[str, Any]] = field(default_factory=list)
    _asked: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise InputError(
                f"agent:llm: {URL} must be an address such as http://127.0.0.1:11434/v1; a key is for {KEY}"
            )

    @classmethod
    def of_environment(cls, model: str) -> LlmPolicy:
        """The policy with the address and key of the environment.

        Raises:
            InputError: no address, or no model.
        """
        url = os.environ.get(URL, "")
        if not model or not url:
            raise InputError(f"agent:llm: name the model, as agent:llm:NAME, and set {URL} to the server's address")
        return cls(model, url, os.environ.get(KEY))

    @property
    def name(self) -> str:
        return f"agent:llm:{self.model}"

    def act(self, desk: Desk, told: Told | None, turns_left: int) -> Call:
        if told is None:
            self._messages = [
                {"role": "system", "content": _TASK.format(turns=turns_left)},
                {"role": "user", "content": f"The study: {desk.facts().line()}"},
            ]
        else:
            self._hear(told, turns_left)
        if not self._waiting:
            self._ask()
        if not self._waiting:
            self._messages.append({"role": "user", "content": _REMINDER})
            self._ask()
        if not self._waiting:
            return Call("stop", {"reason": "the model called no tool"})
        self._asked, wanted = self._waiting.popleft()
        return wanted

    def _hear(self, told: Told, turns_left: int) -> None:
        text = told.error if told.said is None else told.said.line()
        left = f" ({turns_left} turns left)"
        self._messages.append({"role": "tool", "tool_call_id": self._asked, "content": f"{text}{left}"})
        if told.png is not None:
            data = base64.b64encode(told.png).decode()
            picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
            # Most servers take pictures from the user alone.
            self._later.append({"role": "user", "content": [{"type": "text", "text": "The picture:"}, picture]})
        if not self._waiting:
            self._messages += self._later
            self._later.clear()
            self._forget_pictures()

    def _forget_pictures(self) -> None:
        shown = [m for m in self._messages if m["role"] == "user" and isinstance(m["content"], list)]
        for message in shown[:-_PICTURES_KEPT]:
            message["content"] = "(an earlier picture)"

    def _ask(self) -> None:
        answer = self._post(
            {
                "model": self.model,
                "messages": self._messages,
                "temperature": 0,
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": tool.name,
                            "description": tool.description,
                            "parameters": tool.arguments.model_json_schema(),
                        },
                    }
                    for tool in TOOLS.values()
                ],
            }
        )
        try:
            message = answer["choices"][0]["message"]
            calls = [
                (str(one["id"]), Call(str(one["function"]["name"]), _arguments(one["function"].get("arguments"))))
                for one in message.get("tool_calls") or ()
            ]
            usage = answer.get("usage") or {}
            self.tokens.read += int(usage.get("prompt_tokens") or 0)
            self.tokens.written += int(usage.get("completion_tokens") or 0)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"agent:llm: {self._where} answered no chat completion; check its address") from error
        self._messages.append({key: message[key] for key in ("role", "content", "tool_calls") if message.get(key)})
        self._messages[-1].setdefault("role", "assistant")
        self._messages[-1].setdefault("content", "")
        self._waiting.extend(calls)

    def _post(self, content: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/chat/completions", json.dumps(content).encode(), headers
        )
        reason = ""
        for tried in range(_TRIES):
            time.sleep(0.5 * tried)
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                    return json.loads(response.read(_MOST_BYTES))
            except urllib.error.HTTPError as error:
                reason = f"it said {error.code}"
                if error.code not in _TRY_AGAIN:
                    break
            except (OSError, ValueError) as error:
                reason = one_line(error)[:100]
        raise InputError(f"agent:llm: {self._where} gives no answer ({reason}); check {URL}, the model and the key")

    @property
    def _where(self) -> str:
        """The server without what a key may be in."""
        return urlsplit(self.url).netloc


def _arguments(text: Any) -> dict[str, Any]:
    """What stands in a call; what is no mapping is left to the tool to refuse."""
    if isinstance(text, dict):
        return text
    try:
        found = json.loads(text or "{}")
    except (TypeError, ValueError, RecursionError):
        return {"arguments": str(text)[:100]}
    return found if isinstance(found, dict) else {"arguments": found}
