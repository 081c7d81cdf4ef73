"""The link as real processes, with a script in place of ssh: lost and found again; refusals."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError
from mlpwatch.core.relay import link as link_module
from mlpwatch.core.relay.address import Address
from mlpwatch.core.relay.link import Link
from mlpwatch.core.remote.protocol import Command, Status, encode_command, parse_command
from mlpwatch.core.remote.server import LineServer
from mlpwatch.core.runs.lock import RunLock, is_locked
from tests.support.far_machine import address, reach_as_box
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.slow

DEMO = b'{"kind":"plan","epochs":3,"epoch_steps":4}\n'


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of another machine, with one run, that `ssh` reaches."""
    reach_as_box(tmp_path, monkeypatch)
    demo = tmp_path / "saved/demo"
    demo.mkdir(parents=True)
    (demo / "config.json").write_text("{}")
    (demo / "events.jsonl").write_bytes(DEMO)
    (demo / "numpy.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.fixture
def linked() -> Iterator[Callable[[Address], Link]]:
    links: list[Link] = []

    def make(to: Address) -> Link:
        links.append(Link(to))
        links[-1].connect()
        links[-1].start()
        assert links[-1].mirror.wait_until_whole(DEADLINE_SECONDS)
        return links[-1]

    yield make
    for one in links:
        one.close()
        assert not one.mirror.path.parent.exists()


def test_a_lost_link_is_found_again_and_orders_meanwhile_are_refused(
    far: Path, linked: Callable[[Address], Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "AGAIN_SECONDS", (0.2,))
    demo, heard = far / "saved/demo", list[Command]()

    def obey(line: bytes) -> Status | str:
        heard.append(parse_command(line))
        return Status(process=7, paused=("numpy",))

    lock, server = RunLock(demo), LineServer(obey, demo)
    lock.acquire()
    server.start()
    said: list[tuple[str, bool]] = []
    link = linked(address())
    link.say = lambda text, is_bad: said.append((text, is_bad))
    try:
        assert (link.title, is_locked(link.mirror.path)) == ("box:demo", True)
        pause = encode_command(Command("pause", ("numpy",)))
        answer = link.forward(pause)
        assert isinstance(answer, Status)
        assert answer.paused == ("numpy",)
        wait_until(lambda: isinstance(link.mirror.status, Status))
        assert link.bring("numpy.safetensors", DEADLINE_SECONDS)
        (far / "down").touch()
        pipe = link._pipe
        assert pipe is not None
        pipe.process.kill()
        wait_until(lambda: len(said) > 1)
        assert said[1] == (
            "link to box lost; trying again in 0.2 s "
            "(ssh: connect to host box port 22: Connection refused)", True,
        )  # fmt: skip
        heard.clear()
        assert link.forward(pause) == "the link to box is down"
        assert not link.bring("torch.safetensors", 0.0)
        assert is_locked(link.mirror.path), "nobody knows that the run has ended"
        with (demo / "events.jsonl").open("ab") as file:
            file.write(DEMO)
        (far / "down").unlink()
        wait_until(lambda: said[-1] == ("linked to box again", False))
        wait_until(lambda: (link.mirror.path / "events.jsonl").read_bytes() == 2 * DEMO)
        assert Command("pause", ("numpy",)) not in heard
        assert isinstance(link.forward(pause), Status)
    finally:
        server.close()
        lock.release()
    wait_until(lambda: not is_locked(link.mirror.path))


@pytest.mark.usefixtures("far")
def test_a_link_without_a_word_is_dead_and_taken_up_again(
    linked: Callable[[Address], Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = linked(address())
    said: list[str] = []
    link.say = lambda text, _is_bad: said.append(text)
    monkeypatch.setattr(link_module, "DEAD_SECONDS", 0.1)
    wait_until(lambda: said)
    assert said[0] == "link to box lost; trying again in 1 s (no word for half a minute)"


REFUSALS = (
    ("no-such-mlpwatch", "demo", "box: no-such-mlpwatch: not found there; give its path with"),
    ("", "gone", "box: run 'gone': not found under saved; see mlpwatch runs"),
    ("", "./logs", "box: './logs': not a run folder: no config.json in it; see mlpwatch"),
    (
        """echo "mlpwatch: command 'relay': expected one of train" >&2; exit 2;""", "demo",
        "box: its mlpwatch is older and has no relay; update it there",
    ),
    ("echo oops >&2; exit 3;", "demo", "box: its mlpwatch ended: oops"),
    ("yes | head -c 99999;", "demo", "box: other text in place of a relay's frames"),
)  # fmt: skip


def test_what_does_not_work_is_one_line(far: Path) -> None:
    (far / "logs").mkdir()
    (far / "logs/metrics.csv").write_text("step,loss\n1,0.5\n")
    for remote, run, words in REFUSALS:
        link = Link(address(run, remote) if remote else address(run))
        with pytest.raises(InputError) as raised:
            link.connect()
        link.close()
        assert str(raised.value).startswith(words)
        assert "\n" not in str(raised.value)


def test_a_machine_that_can_not_be_reached_and_no_ssh_at_all(
    far: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (far / "down").touch()
    with pytest.raises(InputError, match=r"^box: ssh: connect to host box port 22: Connection ref"):
        Link(address()).connect()
    monkeypatch.setenv("MLPWATCH_SSH", "no-such-ssh")
    with pytest.raises(InputError, match=r"^no-such-ssh: .*; install OpenSSH's client"):
        Link(address()).connect()


@pytest.mark.usefixtures("far")
def test_another_protocol_is_named_with_both_versions() -> None:
    code = (
        "from mlpwatch.core.relay import frames as f; import sys; out = sys.stdout.buffer; "
        "out.write(f.MAGIC); f.FrameWriter(out.write).send('hello', protocol=9, version='99')"
    )
    with pytest.raises(InputError, match=r"box: has mlpwatch 99, here is .* update the older one"):
        Link(address(remote=f'{sys.executable} -c "{code}"')).connect()


def test_the_newest_run_stays_the_one_that_was_found(
    far: Path, linked: Callable[[Address], Link]
) -> None:
    (far / "saved/demo/config.json").rename(far / "saved/demo/watch.json")
    (far / "saved/demo/watch.json").write_text('{"format":1,"created":"2026-01-01T00:00:00+00:00"}')
    link = linked(address(""))
    assert (link.title, link.is_watched) == ("box:demo", True)
    assert link.address.run == str((far / "saved/demo").resolve())
