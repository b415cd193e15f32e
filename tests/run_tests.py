"""The body of `./dev test`: builds the sanitizer preset, runs every test program, and adds up what they said.

Unit tests are the gtest programs test_FOLDER, read from their JSON; end-to-end tests are tests/e2e/run.py; fuzz targets
run for a few seconds over their corpora. The last line is `N passed, N failed, N skipped`. With CI set a skip fails.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests/fuzz'))
UNIT_LIMIT_SECONDS = 900  # one test program; long fault runs take most of it
LONG_LIMIT_SECONDS = 3600
E2E_LIMIT_SECONDS = 900
FUZZ_SECONDS = 3         # each target: its seeds, and little more; `./dev fuzz` takes its time
SLOWEST = ['test_store', 'test_auth']  # first, so that none of them is left to run alone
SHARDS = {'test_store': 2}  # it takes longer than all others together


class Totals:
    """What all test programs said together."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, name, passed, failed, skipped, seconds):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        print(f'{name}: {passed} passed, {len(failed)} failed, {len(skipped)} skipped ({seconds:.1f} s)', flush=True)


def environment(preset, long):
    """What every test program gets beside our own environment."""
    env = dict(os.environ)
    env.setdefault('ASAN_OPTIONS', 'detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1')
    env.setdefault('LSAN_OPTIONS', f'suppressions={ROOT}/tests/lsan.supp:print_suppressions=0')
    env.setdefault('TSAN_OPTIONS', f'suppressions={ROOT}/tests/tsan.supp:halt_on_error=1:second_deadlock_stack=1')
    env.setdefault('ASAN_SYMBOLIZER_PATH', '/usr/bin/llvm-symbolizer-19')
    env.setdefault('WICKET_CONFORMANCE', str(ROOT.parent / 'shared/conformance'))
    # What a worker of the release binary may do is tested too, where there is one.
    release = ROOT / 'build/mailwicket'
    env.setdefault('WICKET_BINARY', str(release if release.exists() else ROOT / 'build' / preset / 'mailwicket'))
    if long:
        env['WICKET_LONG'] = '1'
        env.setdefault('WICKET_POWER_CUTS', '500')
    return env


def build(preset, targets):
    start = time.monotonic()
    subprocess.run(['ninja', '-C', str(ROOT / 'build' / preset), '--quiet', *targets], check=True)
    print(f'built {preset} in {time.monotonic() - start:.0f} s', flush=True)


def read_gtest(report):
    """(passed, failed names, skipped names) of a gtest JSON report."""
    passed, failed, skipped = 0, [], []
    for suite in json.loads(report.read_text())['testsuites']:
        for case in suite['testsuite']:
            name = f'{suite["name"]}.{case["name"]}'
            if case.get('failures'):
                failed.append(name)
            elif case.get('result') == 'SKIPPED' or case.get('status') == 'NOTRUN':
                skipped.append(name)
            else:
                passed += 1
    return passed, failed, skipped


def run_unit(program, shard, env, limit, gtest_filter):
    """Runs one of the shards of a gtest program; returns (name, passed, failed, skipped, seconds, output)."""
    shards = SHARDS.get(program.name, 1)
    name = program.name if shards == 1 else f'{program.name}-{shard + 1}-of-{shards}'
    report = program.with_name(f'{name}.json')
    report.unlink(missing_ok=True)
    log = program.with_name(f'{name}.log')
    env = dict(env, GTEST_TOTAL_SHARDS=str(shards), GTEST_SHARD_INDEX=str(shard))
    start = time.monotonic()
    arguments = [str(program), f'--gtest_output=json:{report}', '--gtest_brief=1']
    if gtest_filter:
        arguments.append(f'--gtest_filter={gtest_filter}')
    with log.open('wb') as out:
        try:
            code = subprocess.run(arguments, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                  timeout=limit).returncode
        except subprocess.TimeoutExpired:
            code = f'more than {limit} s'
    seconds = time.monotonic() - start
    text = log.read_text(errors='replace')
    passed, failed, skipped = read_gtest(report) if report.exists() else (0, [], [])
    if code != 0 and not failed:
        # A crash or a leak at the end leaves no report, or one without a failure.
        failed = [f'{name} ended with {code}']
    return name, passed, failed, skipped, seconds, text if failed else ''


def run_units(programs, totals, env, limit, gtest_filter=''):
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(run_unit, program, shard, env, limit, gtest_filter)
                   for program in programs for shard in range(SHARDS.get(program.name, 1))]
        for done in concurrent.futures.as_completed(waiting):
            name, passed, failed, skipped, seconds, text = done.result()
            totals.add(name, passed, failed, skipped, seconds)
            if text:
                print(text[-20000:], flush=True)


def run_e2e(binary, totals, env):
    report = ROOT / 'build/e2e.json'
    report.unlink(missing_ok=True)
    env = dict(env, WICKET_BINARY=str(binary), ASAN_OPTIONS=env['ASAN_OPTIONS'].replace('detect_leaks=1', 'detect_leaks=0'))
    start = time.monotonic()
    try:
        code = subprocess.run([sys.executable, str(ROOT / 'tests/e2e/run.py'), '--json', str(report)], env=env,
                              timeout=LONG_LIMIT_SECONDS if 'WICKET_LONG' in env else E2E_LIMIT_SECONDS).returncode
    except subprocess.TimeoutExpired:
        code = 'a time-out'
    result = json.loads(report.read_text()) if report.exists() else {'passed': 0, 'failed': [], 'skipped': []}
    if code != 0 and not result['failed']:
        result['failed'] = [f'tests/e2e ended with {code}']
    totals.add('tests/e2e', result['passed'], result['failed'], result['skipped'], time.monotonic() - start)


def run_fuzz(preset, seconds, totals):
    import fuzz
    for name, error, took in fuzz.run_all(preset, seconds):
        totals.add(f'fuzz_{name}', 0 if error else 1, [f'fuzz_{name}'] if error else [], [], took)
        if error:
            print(error[-20000:], flush=True)


def finish(totals):
    """Prints what failed and the last line; returns the exit code."""
    for name in totals.failed:
        print(f'FAILED: {name}')
    for name in totals.skipped:
        print(f'SKIPPED: {name}')
    print(f'{totals.passed} passed, {len(totals.failed)} failed, {len(totals.skipped)} skipped', flush=True)
    return 1 if totals.failed or (totals.skipped and os.environ.get('CI')) or not totals.passed else 0


def main():
    parser = argparse.ArgumentParser(prog='./dev test', description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='unit tests only')
    parser.add_argument('--long', action='store_true', help='long fault runs too')
    parser.add_argument('--preset', default='asan', help='build/PRESET, already configured')
    parser.add_argument('--only', default='', help='folders of unit tests, separated by commas; nothing else is run')
    parser.add_argument('--filter', default='', help='gtest filter')
    arguments = parser.parse_args()
    only = [f'test_{folder}' for folder in arguments.only.split(',') if folder]
    everything = not (arguments.quick or only)
    folder = ROOT / 'build' / arguments.preset
    totals, env = Totals(), environment(arguments.preset, arguments.long)
    if everything:
        build(arguments.preset, ['unit_tests', 'mailwicket', 'plant', 'fuzz_targets'])
    else:
        build(arguments.preset, [*(only or ['unit_tests']), 'mailwicket'])
    programs = sorted(p for p in folder.glob('test_*') if p.is_file() and os.access(p, os.X_OK) and not p.suffix)
    programs = [p for p in programs if not only or p.name in only]
    programs.sort(key=lambda p: SLOWEST.index(p.name) if p.name in SLOWEST else len(SLOWEST))
    run_units(programs, totals, env, LONG_LIMIT_SECONDS if arguments.long else UNIT_LIMIT_SECONDS, arguments.filter)
    if everything:
        run_e2e(folder / 'mailwicket', totals, env)
        run_fuzz(arguments.preset, FUZZ_SECONDS, totals)
    return finish(totals)


if __name__ == '__main__':
    sys.exit(main())
