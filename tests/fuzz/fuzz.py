"""The body of `./dev fuzz`: runs libFuzzer targets over their corpora, or finds planted bugs (--self-test).

tests/fuzz/FOLDER/NAME_fuzz.cpp is the target fuzz_NAME. Its seeds stand in tests/fuzz/corpora/NAME, its words in
tests/fuzz/FOLDER/NAME.dict. New inputs go to build/fuzz-corpora/NAME and stay there, a crash to build/fuzz-crashes.
tests/fuzz/bugs/NAME--what.patch takes one guard out of the real code; the self-test must find each within 60 s.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
INPUT_LIMIT_OCTETS = 1 << 16     # more only slows the search: every limit of ours that a target reaches is lower
MEMORY_LIMIT_MEGABYTES = 2048
SLOW_UNIT_SECONDS = 10           # one input; with sanitizers a linear parser needs milliseconds


def sources():
    """{NAME: path of its source}"""
    found = sorted((ROOT / 'tests/fuzz').glob('*/*_fuzz.cpp'))
    return {path.name.removesuffix('_fuzz.cpp'): path for path in found}


def run_target(program, name, source, seconds):
    """Runs one target; returns (name, what it said if it found something, seconds)."""
    corpus = ROOT / 'build/fuzz-corpora' / name
    crashes = ROOT / 'build/fuzz-crashes'
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    arguments = [str(program), str(corpus)]
    seeds = ROOT / 'tests/fuzz/corpora' / name
    if seeds.is_dir():
        arguments.append(str(seeds))
    words = source.parent / f'{name}.dict'
    if words.exists():
        arguments.append(f'-dict={words}')
    arguments += [f'-max_total_time={seconds}', f'-max_len={INPUT_LIMIT_OCTETS}', f'-timeout={SLOW_UNIT_SECONDS}',
                  f'-rss_limit_mb={MEMORY_LIMIT_MEGABYTES}', f'-artifact_prefix={crashes}/{name}-', '-print_final_stats=1',
                  '-verbosity=1', '-close_fd_mask=1']
    env = dict(os.environ)
    env.setdefault('ASAN_OPTIONS', 'detect_leaks=1:abort_on_error=0')
    env.setdefault('ASAN_SYMBOLIZER_PATH', '/usr/bin/llvm-symbolizer-19')
    start = time.monotonic()
    try:
        done = subprocess.run(arguments, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds * 2 + 120)
        text, code = done.stdout.decode(errors='replace'), done.returncode
    except subprocess.TimeoutExpired as error:
        text, code = (error.stdout or b'').decode(errors='replace') + '\nthe target did not end', -1
    (ROOT / f'build/fuzz-{name}.log').write_text(text)
    return name, text if code else '', time.monotonic() - start


def run_all(preset, seconds, names=None):
    """Yields (name, error text or '', seconds) of each target as it ends; two run at a time."""
    chosen = {name: source for name, source in sources().items() if not names or name in names}
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(run_target, ROOT / f'build/{preset}/fuzz_{name}', name, source, seconds)
                   for name, source in chosen.items()]
        for done in concurrent.futures.as_completed(waiting):
            yield done.result()


def statistic(name, word):
    match = re.search(rf'stat::{word}:\s*(\d+)', (ROOT / f'build/fuzz-{name}.log').read_text())
    return int(match[1]) if match else 0


def covered(name):
    """The last `cov:` that the target printed."""
    found = re.findall(r'cov: (\d+)', (ROOT / f'build/fuzz-{name}.log').read_text())
    return found[-1] if found else '0'


def copy_tree(tree, patches):
    """A copy of the work tree, with the times of its files, so that ninja builds again only what a patch touches."""
    tree.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '-z'], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    names = b'\0'.join(name for name in listed.split(b'\0') if (ROOT / name.decode()).is_file())
    subprocess.run(['bash', '-c', f'tar -c --null -T - | tar -x -C "{tree}"'], cwd=ROOT, check=True, input=names)
    for patch in patches:  # an earlier run may have left objects of the patched files
        for name in re.findall(r'^\+\+\+ b/(\S+)', patch.read_text(), re.M):
            (tree / name).touch()


def self_test(seconds, names):
    """Plants each bug of tests/fuzz/bugs in a copy of the tree, builds its target there, and looks for it."""
    folder = ROOT / 'build/fuzz-self-test'
    tree = folder / 'tree'
    build = tree / 'build/fuzz'
    patches = [p for p in sorted((ROOT / 'tests/fuzz/bugs').glob('*.patch')) if not names or p.name.split('--')[0] in names]
    copy_tree(tree, patches)
    # With the options of the test build, so that the cache has most objects already.
    subprocess.run(['cmake', '--preset', 'asan', '-B', str(build), '-DWICKET_FUZZ=ON', '-DWICKET_TESTS=OFF'], cwd=tree, check=True,
                   stdout=subprocess.DEVNULL)
    # Outside of our repository as far as git can see, so that it takes the paths as they stand.
    outside = dict(os.environ, GIT_CEILING_DIRECTORIES=str(folder), CCACHE_BASEDIR=str(tree))
    missed = 0
    for patch in patches:
        name = patch.name.split('--')[0]
        if subprocess.run(['git', 'apply', str(patch)], cwd=tree, env=outside).returncode:
            print(f'MISSED {patch.name}: the patch no longer applies', flush=True)
            missed += 1
            continue
        subprocess.run(['ninja', '-C', str(build), '--quiet', f'fuzz_{name}'], check=True, env=outside)
        # From the ordinary corpus: what earlier runs have found does not count.
        kept = ROOT / 'build/fuzz-corpora' / name
        shutil.rmtree(kept, ignore_errors=True)
        _, text, took = run_target(build / f'fuzz_{name}', name, sources()[name], seconds)
        shutil.rmtree(kept, ignore_errors=True)
        subprocess.run(['git', 'apply', '-R', str(patch)], cwd=tree, env=outside, check=True)
        if text:
            reason = next((line for line in text.splitlines() if 'ERROR' in line or 'runtime error' in line), 'stopped')
            print(f'found {patch.name} in {took:.0f} s: {reason.strip()[:120]}', flush=True)
        else:
            print(f'MISSED {patch.name} in {took:.0f} s', flush=True)
            missed += 1
    print(f'{len(patches) - missed} of {len(patches)} planted bugs found', flush=True)
    return 1 if missed or not patches else 0


def main():
    parser = argparse.ArgumentParser(prog='./dev fuzz', description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('what', nargs='*', help='seconds per target, names of targets')
    parser.add_argument('--self-test', action='store_true')
    arguments = parser.parse_args()
    seconds = next((int(word) for word in arguments.what if word.isdigit()), 60)
    names = [word for word in arguments.what if not word.isdigit()]
    if unknown := set(names) - set(sources()):
        parser.error(f'no such target: {", ".join(sorted(unknown))}; there are {", ".join(sources())}')
    if arguments.self_test:
        return self_test(seconds, names)
    targets = [f'fuzz_{name}' for name in names] or ['fuzz_targets']
    subprocess.run(['ninja', '-C', str(ROOT / 'build/asan'), '--quiet', *targets], check=True)
    failed = passed = 0
    for name, error, took in run_all('asan', seconds, names):
        if error:
            failed += 1
            print(error[-8000:])
        else:
            passed += 1
        print(f'fuzz_{name}: {"FOUND SOMETHING" if error else "ok"}, {statistic(name, "number_of_executed_units")} runs, '
              f'cov {covered(name)}, {took:.0f} s', flush=True)
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
