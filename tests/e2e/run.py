"""Runs the end-to-end tests: every function test_* of tests/e2e/test_*.py, and every dialog of tests/dialogs.

run.py [--json FILE] [--jobs N] [WORD...]: only tests whose module.name holds one of the words. Prints `PASS name`,
`FAIL name: reason` or `SKIP name: reason` for each, and the totals last.
"""
import argparse
import concurrent.futures
import importlib
import json
import pathlib
import signal
import sys
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import harness  # noqa: E402 (after the path is set)

PRINTING = threading.Lock()
JOBS = 4  # tests wait more than they work


def collect(words):
    """[(name, function)] in the order of their files."""
    tests = []
    for path in sorted(HERE.glob('test_*.py')):
        module = importlib.import_module(path.stem)
        found = [(name, value) for name, value in vars(module).items() if name.startswith('test_') and callable(value)]
        found += getattr(module, 'GENERATED', [])
        tests += [(f'{path.stem[5:]}.{name.removeprefix("test_")}', function) for name, function in found]
    return [(name, function) for name, function in tests if not words or any(word in name for word in words)]


def run(name, function):
    """(name, 'PASS', 'FAIL' or 'SKIP', reason)"""
    start = time.monotonic()
    try:
        function()
        outcome, reason = 'PASS', ''
    except harness.Skip as error:
        outcome, reason = 'SKIP', str(error)
    except AssertionError as error:
        place = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in place if 'harness' not in frame.filename and 'run.py' not in frame.filename]
        frame = (own or place)[-1]
        outcome, reason = 'FAIL', f'{error} ({pathlib.Path(frame.filename).name}:{frame.lineno})'
    except Exception:
        outcome, reason = 'FAIL', traceback.format_exc()
    with PRINTING:
        took = time.monotonic() - start
        print(f'{outcome} {name}' + (f': {reason}' if reason else '') + f' ({took:.1f} s)', flush=True)
    return name, outcome, reason


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--json')
    parser.add_argument('--jobs', type=int, default=JOBS)
    parser.add_argument('words', nargs='*')
    arguments = parser.parse_args()
    if not pathlib.Path(harness.BINARY).exists():
        sys.exit(f'{harness.BINARY} does not exist: ./dev build, or set WICKET_BINARY')
    # Whoever is started in the background of a script ignores it, and so would every program under test.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tests = collect(arguments.words)
    with concurrent.futures.ThreadPoolExecutor(max_workers=arguments.jobs) as pool:
        results = list(pool.map(lambda test: run(*test), tests))
    passed = sum(1 for _, outcome, _ in results if outcome == 'PASS')
    failed = [f'e2e {name}' for name, outcome, _ in results if outcome == 'FAIL']
    skipped = [f'e2e {name}: {reason}' for name, outcome, reason in results if outcome == 'SKIP']
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({'passed': passed, 'failed': failed, 'skipped': skipped}))
    print(f'{passed} passed, {len(failed)} failed, {len(skipped)} skipped')
    return 1 if failed or not results else 0


if __name__ == '__main__':
    sys.exit(main())
