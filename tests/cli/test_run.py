"""`boticelli run`, with pipes around it."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.stories import BROKEN, CHAIN, FAILING, PARALLEL, write
from tests.process import boticelli, start

INTRO = "This is a rehearsal; no model was asked."


def test_stdout_carries_the_answer_alone_and_stderr_the_rest(folder: Path) -> None:
    done = boticelli("run", write(folder, CHAIN))
    assert done.code == 0
    assert done.out.startswith(f"{INTRO} The prompt reads “Cut a third of the story.”")
    assert done.out.count(INTRO) == 1
    assert done.out.endswith(".\n")
    assert "✓ outline" in done.err
    assert "chain · 2 acts" in done.err


def test_quiet_says_nothing_on_stderr_before_and_after_the_command(folder: Path) -> None:
    story = write(folder, CHAIN)
    assert boticelli("run", story, "-q").err == ""
    assert boticelli("--quiet", "run", story).err == ""
    assert boticelli("run", story, env={"BOTICELLI_QUIET": "1"}).err == ""


def test_verbose_tells_the_plan(folder: Path) -> None:
    done = boticelli("-v", "run", write(folder, CHAIN))
    assert "2. edit · rehearsal/fast · waits for outline" in done.err


def test_jsonl_prints_every_event_as_a_line(folder: Path) -> None:
    done = boticelli("run", write(folder, CHAIN), "--format", "jsonl")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["run"] for event in events}) == 1
    assert all(event["at"].endswith("Z") for event in events)
    assert events[0]["type"] == "run.started"
    assert events[0]["plan"][1] == {"act": "edit", "model": "rehearsal/fast", "waits_for": ["outline"]}
    assert events[-1]["type"] == "run.finished"
    texts = [event["text"] for event in events if event["type"] == "act.delta" and event["act"] == "edit"]
    assert "".join(texts) == events[-1]["output"]
    finished = next(event for event in events if event["type"] == "act.finished")
    assert set(finished["usage"]) == {"input", "output", "total"}
    assert (finished["finish_reason"], finished["served_model"]) == ("stop", "rehearsal/fast")


def test_json_prints_one_object(folder: Path) -> None:
    done = boticelli("run", write(folder, CHAIN), "--format", "json")
    result = json.loads(done.out)
    assert (result["status"], result["narrative"]) == ("finished", "chain")
    assert result["output"] == result["acts"]["edit"]["text"]
    assert result["usage"]["output"] == sum(act["usage"]["output"] for act in result["acts"].values())
    assert done.err == ""


def test_plain_prints_every_act_under_its_heading_in_order(folder: Path) -> None:
    done = boticelli("run", write(folder, PARALLEL), "--format", "plain", "-m", "rehearsal/fast")
    assert [line for line in done.out.splitlines() if line.startswith("## ")] == [
        "## one",
        "## two",
        "## three",
        "## end",
    ]
    assert done.out.count(INTRO) == 4


def test_a_run_that_fails_exits_with_1_and_loses_nothing(folder: Path) -> None:
    done = boticelli("run", write(folder, FAILING))
    assert done.code == 1
    assert done.out == ""
    assert "── good ──\nThis is a rehearsal" in done.err
    assert "── bad (failed before its end) ──\nThis is a rehearsal; no" in done.err
    assert "error: act 'bad': the rehearsal broke off after 5 words" in done.err
    assert "hint: this model fails on purpose" in done.err
    assert "not run: act 'bad' failed" in done.err


def test_a_run_that_fails_is_told_in_json_too(folder: Path) -> None:
    story = write(folder, FAILING)
    result = json.loads(boticelli("run", story, "--format", "json").out)
    assert result["status"] == "failed"
    assert result["error"]["kind"] == "stream"
    assert {name: act["status"] for name, act in result["acts"].items()} == {
        "good": "finished",
        "bad": "failed",
        "never": "skipped",
    }
    assert len(result["acts"]["bad"]["text"].split()) == 5
    lines = boticelli("run", story, "--format", "jsonl").out.splitlines()
    assert json.loads(lines[-1])["type"] == "run.failed"


def test_every_mistake_of_a_file_is_told_with_its_place(folder: Path) -> None:
    done = boticelli("run", write(folder, BROKEN))
    assert done.code == 2
    assert done.out == ""
    places = [line.split(": ")[0] for line in done.err.splitlines()]
    assert places == [f"story.yaml:{place}" for place in ("3:3", "4:16", "6:34", "9:5", "11:9", "12:3")]


def test_mistakes_are_told_in_json_too(folder: Path) -> None:
    story = write(folder, BROKEN)
    result = json.loads(boticelli("run", story, "--format", "json").out)
    assert result["error"]["kind"] == "narrative"
    assert [problem["line"] for problem in result["error"]["problems"]] == [3, 4, 6, 9, 11, 12]
    [line] = boticelli("run", story, "--format", "jsonl").out.splitlines()
    assert json.loads(line)["type"] == "run.failed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--var", "plase=x"], "the narrative has no variable 'plase'; did you mean 'place'?"),
        (["--var", "place"], "--var place: write NAME=VALUE, NAME=@FILE or NAME=-"),
        (["--var", "place=@nowhere.txt"], "--var place: 'nowhere.txt' cannot be read"),
        (["--var", "-"], "no variable takes stdin"),
        (["--only", "edti"], "there is no act 'edti' to run; did you mean 'edit'?"),
        (["--from", "zebra"], "there is no act 'zebra' to run; there are outline, edit"),
        (["-m", "rehearsal/fsat"], "there is no model 'rehearsal/fsat'; did you mean 'rehearsal/fast'?"),
        (["-m", "gemni/x"], "names unknown provider 'gemni'; did you mean 'gemini'?"),
        (["-m", "whatever"], "it is not known whose model 'whatever' is; write it as provider/model"),
        (["--rehearse", "-m", "gpt-5"], "--rehearse runs on 'rehearsal', but --model asks for 'gpt-5'"),
        (["-o", "."], "--output: '.' cannot be written: this is a folder"),
        (["-j", "0"], "should be greater than or equal to 1"),
        (["--format", "yaml"], "--format"),
        (["--formt", "json"], "No such option"),
        (["too", "many"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(folder: Path, arguments: list[str], said: str) -> None:
    done = boticelli("run", write(folder, CHAIN), *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_variables_come_from_the_command_line_files_and_stdin(folder: Path) -> None:
    story = write(folder, CHAIN)
    (folder / "place.txt").write_text("the Fastnet Rock")
    options = ["-q", "--only", "outline"]
    assert "set at Malin.”" in boticelli("run", story, *options, "--var", "place=Malin").out
    assert "set at the Fastnet Rock.”" in boticelli("run", story, *options, "--var", "place=@place.txt").out
    assert "set at @home.”" in boticelli("run", story, *options, "--var", "place=@@home").out
    assert "set at Rockall.”" in boticelli("run", story, *options, "--var", "place=-", stdin="Rockall").out
    assert "set at Lundy.”" in boticelli("run", story, *options, env={"BOTICELLI_VAR": "place=Lundy"}).out


STDIN = """
narrative: {name: s, model: rehearsal/fast}
variables: {notes: {stdin: true, default: nothing}}
acts: {a: "Shorten {{ notes }}."}
"""


def test_a_variable_can_be_what_is_piped_in(folder: Path) -> None:
    story = write(folder, STDIN)
    assert "“Shorten the wind.”" in boticelli("run", story, "-q", stdin="the wind").out
    assert "“Shorten the wind.”" in boticelli("run", story, "-q", "--var", "-", stdin="the wind").out
    assert "“Shorten nothing.”" in boticelli("run", story, "-q").out
    assert "“Shorten given.”" in boticelli("run", story, "-q", "--var", "notes=given", stdin="the wind").out
    done = boticelli("run", story, stdin=b"\xff\xfe")
    assert (done.code, "stdin is not UTF-8" in done.err) == (2, True)


def test_stdin_is_read_for_one_purpose(folder: Path) -> None:
    done = boticelli("run", "-", "--var", "notes=-", stdin=STDIN)
    assert done.code == 2
    assert "stdin is read once" in done.err


def test_a_narrative_can_be_piped_in(folder: Path) -> None:
    done = boticelli("run", "-", "-q", stdin=CHAIN)
    assert done.code == 0
    assert done.out.startswith(INTRO)
    assert "stdin:1:1" in boticelli("run", "-", stdin="words").err


def test_only_and_from_run_a_part(folder: Path) -> None:
    story = write(folder, PARALLEL)
    result = json.loads(boticelli("run", story, "--only", "two", "--format", "json", "-m", "rehearsal/fast").out)
    assert list(result["acts"]) == ["two"]
    assert "sea" in result["output"]


def test_dry_run_shows_the_plan_and_sends_nothing(folder: Path) -> None:
    story = write(folder, PARALLEL)
    done = boticelli("run", story, "--dry-run", "-m", "rehearsal/fail-after-0")
    assert done.code == 0
    assert "4. end · rehearsal/fail-after-0 · waits for one, two, three · sees one, two, three" in done.out
    plan = json.loads(boticelli("run", story, "--dry-run", "--format", "json").out)
    assert [act["act"] for act in plan["plan"]] == ["one", "two", "three", "end"]


def test_without_a_model_the_embedded_one_stands_in_and_says_so(folder: Path) -> None:
    done = boticelli("run", write(folder, CHAIN.replace(", model: rehearsal/fast", "")), "-j", "2", "--only", "outline")
    assert done.code == 0
    assert "'rehearsal', the embedded one, answers" in done.err


def test_rehearse_runs_any_narrative_on_the_embedded_model(folder: Path) -> None:
    story = write(folder, CHAIN.replace("rehearsal/fast", "gemini-3.8-flash"))
    refused = boticelli("run", story)
    assert (refused.code, refused.out) == (3, "")
    assert "there is no key for gemini" in refused.err
    assert "set GEMINI_API_KEY" in refused.err
    done = boticelli("run", story, "--rehearse", "-m", "rehearsal/fast")
    assert (done.code, done.out.startswith(INTRO)) == (0, True)


def test_output_goes_into_a_file(folder: Path) -> None:
    story = write(folder, CHAIN)
    done = boticelli("run", story, "-o", "out/answer.md")
    assert (done.code, done.out) == (0, "")
    assert (folder / "out" / "answer.md").read_text().startswith(INTRO)
    assert "answer written to out/answer.md" in done.err
    boticelli("run", story, "-o", "run.json", "--format", "json")
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"


def test_a_failed_run_leaves_the_old_output_alone_and_tells_what_arrived(folder: Path) -> None:
    (folder / "answer.md").write_text("old")
    done = boticelli("run", write(folder, FAILING), "-o", "answer.md", "--only", "bad")
    assert done.code == 1
    assert (folder / "answer.md").read_text() == "old"
    assert "── bad (failed before its end) ──\nThis is a rehearsal; no" in done.err


def test_an_output_that_cannot_be_written_does_not_lose_the_answer(folder: Path) -> None:
    (folder / "taken").write_text("")
    done = boticelli("run", write(folder, CHAIN), "-o", "taken/answer.md", "-q")
    assert (done.code, done.out) == (2, "")
    assert "--output: 'taken/answer.md' cannot be written: Not a directory" in done.err
    done = boticelli("run", "story.yaml", "-o", "/proc/answer.md", "-q")
    assert done.code == 1
    assert INTRO in done.err
    assert "cannot be written" in done.err
    done = boticelli("run", "story.yaml", "-o", "./story.yaml")
    assert done.code == 2
    assert "is the narrative itself, or an act saves to it" in done.err


def test_no_stream_gives_the_same_answer(folder: Path) -> None:
    story = write(folder, CHAIN)
    assert boticelli("run", story, "--no-stream").out == boticelli("run", story).out
    lines = boticelli("run", story, "--no-stream", "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["type"] for line in lines].count("act.delta") == 2


def test_a_closed_pipe_ends_quietly(folder: Path) -> None:
    write(folder, PARALLEL)
    long = CHAIN.replace("rehearsal/fast", "rehearsal")
    running = start("run", write(folder, long, "long.yaml"), "--format", "plain")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.wait(30) == 0
    err = running.stderr.read().decode()
    running.stderr.close()
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert "Exception ignored" not in err


def test_a_pipe_closed_before_anything_is_written_ends_quietly(folder: Path) -> None:
    story = write(folder, CHAIN)
    command = f"exec 3>&1; ({' '.join(_command())} run {story} -q; echo code $? >&3) | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=30, check=False)
    assert done.stderr == b""
    assert done.stdout == b"code 0\n"


def _command() -> list[str]:
    from tests.process import COMMAND

    return COMMAND


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_has_arrived(folder: Path, number: signal.Signals) -> None:
    story = write(folder, CHAIN.replace("rehearsal/fast", "rehearsal/slow"))
    running = start("run", story, "--only", "outline")
    assert running.stdout is not None
    first = running.stdout.read(10)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert (first + out).decode().startswith("This is a ")
    assert b"interrupted: chain" in err
    assert b"Traceback" not in err


def test_an_interrupted_run_tells_the_acts_that_stdout_does_not_show(folder: Path) -> None:
    story = CHAIN.replace("edit: Cut a third of the story.", "edit: {prompt: Cut it., model: rehearsal/slow}")
    running = start("run", write(folder, story), "--format", "text")
    assert running.stdout is not None
    first = running.stdout.read(10)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert (first + out).decode().count(INTRO[:9]) == 1
    assert f"── outline ──\n{INTRO}" in err.decode()
    assert "── edit" not in err.decode()


def test_an_interrupted_run_is_told_in_json(folder: Path) -> None:
    running = start("run", write(folder, CHAIN.replace("rehearsal/fast", "rehearsal/slow")), "--format", "jsonl")
    assert running.stdout is not None
    lines = [running.stdout.readline() for _ in range(4)]
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=30)
    events = [json.loads(line) for line in [*lines, *out.splitlines()]]
    assert running.returncode == 130
    assert events[-1]["type"] == "run.interrupted"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_utf8_is_written_whatever_the_locale_says(folder: Path) -> None:
    story = write(folder, CHAIN)
    done = boticelli("run", story, "-q", env={"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert "“Cut a third of the story.”" in done.out


def test_secrets_from_the_environment_are_never_told(folder: Path) -> None:
    story = write(
        folder,
        "narrative: {name: n, model: rehearsal/fast}\nvariables: {key: {env: API_TOKEN}, n: {type: integer, env: NUMBER}}\n"
        "acts: {a: Say hello., b: {prompt: '{{ n }}'}}",
    )
    env = {"API_TOKEN": "sk-very-secret", "NUMBER": "sk-also-secret", "OPENAI_API_KEY": "sk-third"}
    for format_name in ("text", "json", "jsonl"):
        done = boticelli("-v", "run", story, "--format", format_name, env=env)
        assert done.code == 2
        assert "secret" not in done.out + done.err
    done = boticelli("-v", "run", story, "--format", "jsonl", "--var", "n=1", "--only", "a", env=env)
    assert done.code == 0
    assert "sk-" not in done.out + done.err
