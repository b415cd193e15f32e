"""Does TSan still find a race in store, net and the worker pool, beside all that tests/tsan.supp hides?

tests/tsan/bugs/FOLDER--SUITE.patch takes a lock away. Each is planted in a copy of the tree; the tests of that suite must
end in a report of a data race. Prints `N passed, N failed` last.
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests/fuzz'))
sys.path.insert(0, str(ROOT / 'tests'))
import fuzz  # noqa: E402 (after the path is set)
import run_tests  # noqa: E402

LIMIT_SECONDS = 300


def main():
    folder = ROOT / 'build/tsan-planted'
    tree = folder / 'tree'
    patches = sorted((ROOT / 'tests/tsan/bugs').glob('*.patch'))
    fuzz.copy_tree(tree, patches)
    env = dict(run_tests.environment('tsan', long=False), GIT_CEILING_DIRECTORIES=str(folder), CCACHE_BASEDIR=str(tree), CCACHE_NOHASHDIR='1')
    subprocess.run(['cmake', '--preset', 'tsan'], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    missed = 0
    for patch in patches:
        name, _, suite = patch.stem.partition('--')
        subprocess.run(['git', 'apply', str(patch)], cwd=tree, env=env, check=True)
        subprocess.run(['ninja', '-C', 'build/tsan', '--quiet', f'test_{name}'], cwd=tree, env=env, check=True)
        try:
            done = subprocess.run([f'build/tsan/test_{name}', f'--gtest_filter=*{suite}*'], cwd=tree, env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS)
            text = done.stdout.decode(errors='replace')
        except subprocess.TimeoutExpired as error:
            text = (error.stdout or b'').decode(errors='replace')
        subprocess.run(['git', 'apply', '-R', str(patch)], cwd=tree, env=env, check=True)
        found = 'WARNING: ThreadSanitizer: data race' in text
        missed += not found
        print(f'{"found" if found else "MISSED"} {patch.name}', flush=True)
    print(f'{len(patches) - missed} passed, {missed} failed')
    return 1 if missed or not patches else 0


if __name__ == '__main__':
    sys.exit(main())
