"""Does TSan still find a race in store, net and the worker pool, beside all that tests/tsan.supp hides?

tests/tsan/bugs/FOLDER--SUITE.patch takes a lock away. Each is planted in its test program; the tests of that suite must
end in a report of a data race, and without it they must not. Prints `N passed, N failed` last.
"""
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
import planted  # noqa: E402 (after the path is set)
import run_tests  # noqa: E402

LIMIT_SECONDS = 300


def has_race(program, suite, env):
    try:
        done = subprocess.run([str(program), f'--gtest_filter=*{suite}*'], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS)
        text = done.stdout
    except subprocess.TimeoutExpired as error:  # a lost job may leave its test waiting; the report stands all the same
        text = error.stdout or b''
    return b'WARNING: ThreadSanitizer: data race' in text


def main():
    build = ROOT / 'build/tsan'
    env = run_tests.environment('tsan', long=False)
    if not (build / 'build.ninja').exists():
        subprocess.run(['cmake', '--preset', 'tsan'], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    missed = 0
    patches = sorted((ROOT / 'tests/tsan/bugs').glob('*.patch'))
    for patch in patches:
        folder, _, suite = patch.stem.partition('--')
        start = time.monotonic()
        try:
            program = planted.plant(build, f'test_{folder}', patch, ROOT / 'build/tsan-planted' / patch.stem)
        except planted.DoesNotApply:
            print(f'MISSED {patch.name}: the patch no longer applies', flush=True)
            missed += 1
            continue
        built = time.monotonic() - start
        is_clean = not has_race(build / f'test_{folder}', suite, env)
        is_found = has_race(program, suite, env)
        missed += not (is_clean and is_found)
        word = 'found' if is_clean and is_found else 'MISSED' if is_clean else 'NOT CLEAN without'
        print(f'{word} {patch.name}: built in {built:.0f} s, {time.monotonic() - start:.0f} s in all', flush=True)
    print(f'{len(patches) - missed} passed, {missed} failed')
    return 1 if missed or not patches else 0


if __name__ == '__main__':
    sys.exit(main())
