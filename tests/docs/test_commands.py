"""Every command that a page shows is run, as whoever pastes it would: page by page, from the top.

A page is one scenario in a fresh directory, with real processes: what one block leaves, the next
finds. Comments above a block (or, for all blocks, before the first heading of the second level) say
what it needs; readers do not see them:

    <!-- starts: trained -->      the directory holds the sample network, imported and learned
    <!-- starts: served -->       and a service answers on port 8000
    <!-- needs: postgres -->      a PostgreSQL server stands where the page says db.example
    <!-- shown only: docker -->   it is not run, for a reason out of SHOWN_ONLY
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
import yaml

from cli import setup
from cli.main import app

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(
            path
            for name in ("README.md", "data/README.md", "deploy/README.md")
            if (path := ROOT / name).exists()
        ),
    ]
)
BIN = Path(sys.executable).parent
SHOWN_ONLY = {
    "docker": r"\bdocker\b",  # there is no daemon where tests run
    "kubectl": r"\bkubectl\b",  # nor a cluster
    "a cluster": r"\b(yarn|spark-submit)\b",  # nor one of Spark's kind
    "systemd": r"\b(systemctl|systemd-run|journalctl)\b",  # nor systemd as process 1
    "crontab": r"\bcrontab\b",  # nor is the machine's crontab ours
    "installs": r"\b(make|pip|git clone|apt-get)\b",  # it installs, or runs what runs this test
    "other servers": r"https?://",  # it asks servers that are not ours
    "data of others": r"\.\./shared|\b(globo|bbc|mind|adressa|DIR)\b",  # not in the repository
    "minutes": r"\b(evaluate|judge|tune|simulate|benchmarks|policy diff|demo)\b",  # too long here
}
"""Why a block may be shown without being run, each with what such a block holds."""
PATIENCE = 400
"""Seconds after which a page is taken to hang."""
NAMES = "names of your own"
"""Another reason, for the READMEs only: they show at a glance what pages of the site let run."""
LANGUAGES = {"sh", "toml", "json", "python", "html", "text", "yaml", "nginx", "ini"}
POSTGRES = "postgresql+psycopg://recsys:secret@db.example/recsys"
SERVICE = "https://recs.example"
PORTS = ("8000", "8001", "8002", "8080")
FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!-- (starts|needs|shown only): (.+?) -->")

LEARN = """
recsys sample generate network --size tiny
mkdir var && cp network/recsys.toml var/
recsys import articles network/articles.parquet
recsys import events network/events.parquet
recsys train
python - <<'EOF'
import pyarrow.csv, pyarrow.parquet, orjson
rows = pyarrow.parquet.read_table("network/articles.parquet").to_pylist()
for row in rows:
    row["url"] = f"https://{row['site']}.example/{row['key']}"
open("articles.jsonl", "wb").write(b"\\n".join(orjson.dumps(row) for row in rows))
pyarrow.csv.write_csv(pyarrow.parquet.read_table("network/events.parquet"), "events.csv")
EOF
"""
"""What a page finds that begins with a network, and files as the README names them."""

PRELUDE = r"""
set -Eeuo pipefail
BLOCK=start
trap 'echo "FAILED in $BLOCK: $BASH_COMMAND" >&2' ERR
export PATH="%(bin)s:/usr/sbin:$PATH" PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 COLUMNS=160
PORT=%(port)s
running=()

# As a person has it: a service runs in a terminal of its own, and is there once it answers.
recsys() {
  local words=("$@") at=0 verb=""
  while [ $at -lt $# ]; do
    case "${words[$at]}" in
      --var | --config) at=$((at + 2)) ;;
      *) verb="${words[$at]}"; break ;;
    esac
  done
  case "$verb" in
    serve) _serve "$@" ;;
    keys) command recsys "$@"; [ ${#running[@]} = 0 ] || sleep 2 ;;  # as long as a paste takes
    # As many questions as show that it works: thousands are asked for figures, and take minutes.
    evaluate) [[ " $* " == *" --help "* ]] || set -- "$@" --questions 100; command recsys "$@" ;;
    doctor) command recsys "$@" || [ $? = 1 ] ;;  # what it warns of is news, and no failure
    schedule) command recsys "$@" >>schedule.log 2>&1 & running+=($!); sleep 2; kill -0 $! ;;
    simulate) command recsys "$@" --url "http://127.0.0.1:$PORT" ;;
    *) command recsys "$@" ;;
  esac
}
_serve() {
  local port=$PORT extra=()
  if [[ " $* " =~ " --port "([0-9]+)" " ]]; then port=${BASH_REMATCH[1]}
  else extra+=(--port "$port"); fi
  [[ " $* " == *" --workers "* ]] || extra+=(--workers 1)
  # The page itself put it into the background, and waits for it as it likes.
  if [ $BASH_SUBSHELL -gt 0 ]; then exec recsys "$@" "${extra[@]}" >>"serve-$port.log" 2>&1; fi
  command recsys "$@" "${extra[@]}" >>"serve-$port.log" 2>&1 &
  local pid=$!
  running+=($pid)
  until command curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; do
    kill -0 $pid 2>/dev/null || { tail -5 "serve-$port.log" >&2; return 1; }
    sleep 0.1
  done
}
# An answer of 400 or above is a failure here.
curl() { command curl --fail-with-body -sS "$@"; }
"""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    title: str
    body: str
    told: dict[str, str]
    """What comments say of it."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text, found, end = path.read_text("utf-8"), [], 0
    head = re.split(r"^(?:##|```)", text, maxsplit=1, flags=re.MULTILINE)[0]
    page = {name: what for name, what in COMMENT.findall(head) if name != "shown only"}
    for match in FENCE.finditer(text):
        between = text[end : match.start()]
        # Only what stands right above it, or above another comment that does.
        above = re.search(r"(?:<!-- [^>]+ -->\n)*\Z", between)
        told = {**page, **dict(COMMENT.findall(above[0] if above else ""))}
        line = text.count("\n", 0, match.start()) + 1
        language, title, body = match.groups()
        found.append(Block(str(path.relative_to(ROOT)), line, language, title or "", body, told))
        end = match.end()
    return found


def starts(path: Path) -> str:
    return next((block.told["starts"] for block in blocks(path) if "starts" in block.told), "")


BLOCKS = [block for path in PAGES for block in blocks(path)]


def of(*languages: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=str)


def runs(path: Path) -> bool:
    return any(b.language in ("sh", "python") and "shown only" not in b.told for b in blocks(path))


@pytest.fixture(scope="session")
def trained(made_once: Callable[..., Path]) -> Path:
    """The sample network, imported and learned."""

    def learn(folder: Path) -> None:
        done = played(LEARN, folder)
        assert done.returncode == 0, done.stdout

    return made_once("documented", learn)


def played(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder; what it started ends with it."""
    port = free_ports(1)[0]
    text = PRELUDE % {"bin": BIN, "port": port} + script
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RECSYS_")}
    (folder / "tmp").mkdir(exist_ok=True)
    environment["TMPDIR"] = str(folder / "tmp")
    with (folder / "output.log").open("a+") as output:
        process = subprocess.Popen(
            ["bash", "-c", text],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()  # what was said until then tells where it hangs
            code = process.wait()
        finally:
            end(process.pid)
            shutil.rmtree(folder / "tmp", ignore_errors=True)
        output.seek(0)
        return subprocess.CompletedProcess([], code, output.read())


def end(session: int) -> None:
    """End whatever still runs in a session: politely, then not."""
    for sign, patience in ((signal.SIGTERM, 100), (signal.SIGKILL, 50)):
        try:
            os.killpg(session, sign)
        except ProcessLookupError:
            return
        for _ in range(patience):
            try:
                os.killpg(session, 0)
            except ProcessLookupError:
                return
            _pause()


def _pause() -> None:
    import time

    time.sleep(0.1)


def free_ports(n: int) -> list[int]:
    held = [socket.socket() for _ in range(n)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


def scenario(path: Path, replaced: dict[str, str]) -> str:
    """Return the script of a page."""
    parts = []
    for block in blocks(path):
        if "shown only" in block.told:
            continue
        body = block.body
        for old, new in replaced.items():
            body = body.replace(old, new)
        if block.language in ("sh", "python"):
            parts.append(f"BLOCK={block}; echo '== {block}'")
        if block.language == "sh":
            parts.append(body)
        elif block.language == "python":
            parts.append(f"python - <<'END OF BLOCK'\n{body}END OF BLOCK")
        elif block.title:
            adds, name = re.fullmatch(r"(add to )?(\S+)", block.title).groups()
            parts.append(f"cat {'>>' if adds else '>'} {name} <<'END OF BLOCK'\n{body}END OF BLOCK")
    # Who was started and not stopped on the page must still be there.
    parts.append('BLOCK="the end of the page"; for pid in "${running[@]}"; do kill -0 $pid; done')
    return "\n".join(parts)


@pytest.mark.parametrize(
    "path", [p for p in PAGES if runs(p)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_page_does_what_it_says(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    needs = {
        one for block in blocks(path) for one in block.told.get("needs", "").split(", ") if one
    }
    require(needs)
    if starts(path) in ("trained", "served"):
        shutil.copytree(request.getfixturevalue("trained"), tmp_path, dirs_exist_ok=True)
    ports = free_ports(len(PORTS))
    replaced = {old: str(new) for old, new in zip(PORTS, ports, strict=True)}
    replaced = {SERVICE: f"http://127.0.0.1:{ports[0]}", **replaced}
    if "postgres" in needs:
        given = request.getfixturevalue("postgres_url")
        replaced[POSTGRES] = given(bare=True)
    serve = "recsys serve\n" if starts(path) == "served" else ""
    done = played(f"PORT={ports[0]}\n{serve}{scenario(path, replaced)}", tmp_path)
    logs = "\n".join(
        f"-- {p.name}\n{p.read_text()[-2000:]}" for p in sorted(tmp_path.glob("*e*-*.log"))
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{logs}"


def require(needs: set[str]) -> None:
    """Skip where the machine lacks what a page needs, and fail where it has to have it."""
    for one in sorted(needs - {"postgres"}):
        if shutil.which(one, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
                pytest.fail(f"RECSYS_REQUIRE_SYSTEM=1, but there is no {one}")
            pytest.skip(f"needs {one}; RECSYS_REQUIRE_SYSTEM=1 makes this a failure")


def test_pages_say_what_language_a_block_has():
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []


def test_only_what_cannot_run_here_is_shown_without_being_run():
    for block in BLOCKS:
        if reason := block.told.get("shown only"):
            if reason == NAMES and block.page.endswith("README.md"):
                continue
            assert reason in SHOWN_ONLY, f"{block}: {reason!r} is none of {list(SHOWN_ONLY)}"
            assert re.search(SHOWN_ONLY[reason], block.body), (
                f"{block}: holds nothing of {reason!r}"
            )


def typed_words(body: str) -> list[list[str]]:
    """Return the words of each `recsys` command in a script."""
    lines = re.sub(r"\\\n\s*", " ", body).splitlines()
    found = [shlex.split(line, comments=True) for line in lines if "recsys" in line]
    at = [[Path(word).name for word in words].index("recsys") for words in found if is_typed(words)]
    return [w[i + 1 :] for w, i in zip(filter(is_typed, found), at, strict=True)]


def is_typed(words: list[str]) -> bool:
    return bool(words) and Path(words[0]).name == "recsys"


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "sh" and "shown only" in b.told], ids=str
)
def test_what_is_only_shown_names_commands_and_options_that_there_are(block: Block) -> None:
    for words in typed_words(block.body):
        command, options = typer.main.get_command(app), {"--help"}
        for word in words:
            if below := getattr(command, "commands", {}).get(word):
                command = below
            options |= {option for param in command.params for option in param.opts}
            if word.startswith("--"):
                assert word.partition("=")[0] in options, f"{block}: {' '.join(words)}"
        assert not hasattr(command, "commands"), f"{block}: {' '.join(words)} is no command"


def test_no_comment_for_this_test_is_misspelt():
    for path in PAGES:
        for comment in re.findall(r"<!-- ?(.*?) ?-->", path.read_text("utf-8")):
            known = re.fullmatch(
                r"starts: trained|starts: served|needs: [\w, ]+|shown only: .+|made: .+|file: .+"
                r"|(end of )?plan",
                comment,
            )
            assert known, f"{path}: {comment!r}"


@of("toml")
def test_a_configuration_is_read_as_the_commands_read_it(block: Block, tmp_path: Path) -> None:
    assert tomllib.loads(block.body)
    (tmp_path / "recsys.toml").write_text(block.body, "utf-8")
    assert setup.load(tmp_path / "recsys.toml", tmp_path).config


@of("json", "yaml")
def test_a_document_can_be_read(block: Block) -> None:
    read: Callable[[str], object] = json.loads if block.language == "json" else yaml.safe_load
    assert read(block.body)


class Tags(HTMLParser):
    """The attributes of the box's tags."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "recsys-box"):
            self.given.append((tag, dict(attrs)))


@of("html")
def test_a_tag_says_only_what_the_widget_knows(block: Block) -> None:
    widget = (ROOT / "service/static/widget.js").read_text("utf-8")
    told = re.search(r"const ATTRIBUTES = \(\s*\"([^\"]+)\"", widget)
    assert told
    known = {*told[1].split(), "theme", "target"}
    tags = Tags()
    tags.feed(block.body)
    for tag, attributes in tags.given:
        words = {name.removeprefix("data-") for name in attributes} - {
            "async",
            "src",
            "id",
            "class",
        }
        assert words <= known, f"{block}: {words - known}"
        if tag == "script":
            assert str(attributes["src"]).endswith("/widget.js")


def _pages() -> Iterator[str]:
    yield from (str(path.relative_to(ROOT)) for path in PAGES)


def test_every_page_of_a_how_to_runs_something():
    silent = [str(p.relative_to(ROOT)) for p in PAGES if "howto" in p.parts and not runs(p)]
    assert silent == []
