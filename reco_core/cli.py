"""The command `reco`: every step of the catalogue, run files, and a check-up."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from typing import Any, Optional, Sequence

from .catalogue import STEPS, Param, Step
from .errors import Cancelled, RecoError, ResourceError, out_of_memory
from .progress import Progress
from .version import __version__

EPILOG = "exit codes: 0 done, 1 other error, 2 parameter or run file, 3 file or table, 4 grid, 5 samples, " \
         "6 model, 7 missing package, 8 memory or disk, 130 cancelled"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.
    """
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("reco").setLevel(logging.INFO)
    for noisy in ("rasterio", "numba", "matplotlib", "xgboost", "pyogrio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # reading that an error cut short
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)
    try:
        return arguments.run(arguments)
    except (RecoError, KeyboardInterrupt) as error:
        return _fail(error)
    except BrokenPipeError:
        # whoever read our words has gone; what was written stays
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not out_of_memory(error):
            raise
        return _fail(error)


def _terminated(*_: Any) -> None:
    """End like after Ctrl-C, so that nothing half-written is left: schedulers and `timeout` stop programs so."""
    raise KeyboardInterrupt


def build_parser() -> argparse.ArgumentParser:
    """Return the parser, made from the catalogue."""
    parser = argparse.ArgumentParser(
        prog="reco", description="Maps of ecosystem respiration, explained by their drivers, with trends.",
        epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"reco {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for step in STEPS.values():
        _add_step(commands, step)
    for name, help_, function in (("run", "Run the steps of a run file.", _run_file),
                                  ("check", "Check a run file without running it.", _check_file)):
        command = commands.add_parser(name, help=help_, description=help_, epilog=EPILOG)
        command.add_argument("file", help="Run file (TOML).")
        _add_progress(command)
        command.set_defaults(run=function)
    command = commands.add_parser("doctor", help="Check the installation.",
                                  description="Show versions, optional packages, QGIS, memory and disk.")
    command.set_defaults(run=_doctor)
    return parser


def _add_step(commands: Any, step: Step) -> None:
    text = step.summary + ("\n\n" + step.help if step.help else "")
    command = commands.add_parser(step.name, aliases=[step.name.replace("_", "-")] if "_" in step.name else [],
                                  help=step.summary, description=text, epilog=EPILOG)
    groups = {"inputs": command.add_argument_group("inputs and options"),
              "advanced": command.add_argument_group("advanced options"),
              "outputs": command.add_argument_group("outputs")}
    for param in step.params:
        _add_param(groups["advanced" if param.advanced else "inputs"], param)
    for param in step.outputs:
        flags = {"output": ["--output", "-o"], "folder": ["--folder", "--out"]}.get(param.name, [param.flag])
        default = f" [default: {param.filename} in the output folder]" if param.filename else ""
        groups["outputs"].add_argument(*flags, dest=param.name, metavar="PATH", help=_escape(param.help + default))
    if not any(param.name == "folder" for param in step.outputs):
        flags = ["--out"] if any(param.name == "folder" for param in step.params) else ["--folder", "--out"]
        groups["outputs"].add_argument(*flags, dest="_folder", metavar="DIR", help="Folder for outputs not named.")
    if step.can_rehearse:
        command.add_argument("--dry-run", action="store_true", dest="_dry_run",
                             help="Only say what the step would need: grid, tiles, memory, disk and time. Nothing is "
                                  "written.")
    _add_progress(command)
    command.set_defaults(run=_run_step, step=step.name)


def _add_param(group: Any, param: Param) -> None:
    notes = []
    if param.required:
        notes.append("required")
    elif param.default is not None and param.kind != "flag":
        notes.append(f"default: {param.default}")
    if param.unit:
        notes.append(f"unit: {param.unit}")
    text = _escape(param.help + (f" [{'; '.join(notes)}]" if notes else ""))
    if param.kind == "flag":
        group.add_argument(param.flag, dest=param.name, nargs="?", const="true", metavar="true|false", help=text)
    elif param.kind == "choice":
        group.add_argument(param.flag, dest=param.name, choices=param.choices, help=text)
    elif param.kind in ("rasters", "path"):
        group.add_argument(param.flag, dest=param.name, nargs="+", metavar="PATH", help=text)
    else:
        group.add_argument(param.flag, dest=param.name, metavar=param.kind.upper(), help=text)


def _add_progress(command: argparse.ArgumentParser) -> None:
    command.add_argument("--progress", choices=("bar", "json", "none"), default="bar",
                         help="How progress is shown on standard error. [default: bar]")


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _run_step(arguments: argparse.Namespace) -> int:
    from .actions import run_step

    step = STEPS[arguments.step]
    values = {param.name: getattr(arguments, param.name) for param in step.params + step.outputs
              if getattr(arguments, param.name) is not None}
    for name, value in values.items():
        if step.param(name).kind == "path" and isinstance(value, list) and len(value) == 1:
            values[name] = value[0]
    with _Reporter(arguments.progress) as progress:
        result = run_step(step.name, values, progress, folder=getattr(arguments, "_folder", None),
                          dry_run=getattr(arguments, "_dry_run", False))
    _show(step, result)
    return 0


def _run_file(arguments: argparse.Namespace) -> int:
    from .runfile import read_plan, run_plan

    plan = read_plan(arguments.file)
    with _Reporter(arguments.progress) as progress:
        results = run_plan(plan, progress)
    for planned, result in zip(plan.steps, results):
        print(f"\n{planned.step.title}")
        _show(planned.step, result)
    return 0


def _check_file(arguments: argparse.Namespace) -> int:
    from .runfile import read_plan

    plan = read_plan(arguments.file)
    print(f"{plan.title}: {len(plan.steps)} steps, outputs in {plan.folder}")
    for planned in plan.steps:
        print(f"  line {planned.line}: {planned.step.name} - {planned.step.title}")
    print("The run file is in order.")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from .doctor import examine

    lines, healthy = examine()
    print("\n".join(lines))
    return 0 if healthy else 7


def _show(step: Step, result: dict[str, Any]) -> None:
    for line in result.get("summary", []):
        print(line)
    for output in step.outputs:
        if result.get(output.name):
            print(f"{output.title}: {result[output.name]}")


def _fail(error: BaseException) -> int:
    from .io.files import remove_pending

    remove_pending()
    if isinstance(error, KeyboardInterrupt):
        error = Cancelled()
    elif out_of_memory(error):
        error = ResourceError("There is not enough memory", "Lower --memory or work on a smaller region")
    assert isinstance(error, RecoError)  # noqa: S101
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    return error.exit_code


class _Reporter:
    """Shows progress on standard error as a bar, as JSON lines, or not at all."""

    def __init__(self, style: str) -> None:
        self._style = style
        self._tty = sys.stderr.isatty()
        self._last = (-1.0, "")
        self._time = 0.0

    def __enter__(self) -> Progress:
        return Progress(self._report if self._style != "none" else None)

    def __exit__(self, *_: Any) -> None:
        if self._style == "bar" and self._tty:
            sys.stderr.write("\r\033[K")

    def _report(self, fraction: float, message: str) -> None:
        if self._style == "json":
            print(json.dumps({"type": "progress", "value": round(100 * fraction, 2), "text": message}),
                  file=sys.stderr, flush=True)
            return
        now = time.monotonic()
        if self._tty:
            if now - self._time > 0.1 or fraction >= 1:
                done = round(30 * fraction)
                sys.stderr.write(f"\r\033[K[{'#' * done}{'.' * (30 - done)}] {100 * fraction:3.0f} % {message}"[:118])
                sys.stderr.flush()
                self._time = now
        elif message and (now - self._time > 10 or fraction - self._last[0] >= 0.1):
            print(f"{100 * fraction:3.0f} % {message}", file=sys.stderr, flush=True)
            self._last = (fraction, message)
            self._time = now
