"""The body of `./dev fuzz`: runs libFuzzer targets over their corpora, finds planted bugs (--self-test), or counts the lines
that the committed seeds reach (--coverage).

tests/fuzz/FOLDER/NAME_fuzz.cpp is the target fuzz_NAME. Its seeds stand in tests/fuzz/corpora/NAME, its words in
tests/fuzz/FOLDER/NAME.dict. New inputs go to build/fuzz-corpora/NAME and stay there, a crash to build/fuzz-crashes.
tests/fuzz/bugs/NAME--what.patch takes one guard out of the real code; the self-test must find each within 60 s.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
import planted  # noqa: E402 (after the path is set)

SEEDS = ROOT / 'tests/fuzz/corpora'
BUGS = ROOT / 'tests/fuzz/bugs'
INPUT_LIMIT_OCTETS = 1 << 16     # more only slows the search: every limit of ours that a target reaches is lower
MEMORY_LIMIT_MEGABYTES = 2048
SLOW_UNIT_SECONDS = 10           # one input; with sanitizers a linear parser needs milliseconds
COVERAGE_PERCENT = 90
# Each source that reads what others wrote, and the targets whose seeds must reach its lines.
COVERED_BY = {file: tuple(targets.split()) for targets, files in {
    'address': 'mail/address.cpp',
    'authentication_results': 'mail/authentication_results.cpp',
    'chunks data_reader': 'receiver/data_reader.cpp',
    'config': 'base/config_reader.cpp',
    'dkim': 'filters/scan/dkim_body.cpp filters/scan/dkim_digest.cpp filters/scan/dkim_filter.cpp filters/scan/dkim_key.cpp',
    'dkim_tags': 'mail/dkim_tags.cpp',
    'dns_message': 'net/dns_message.cpp',
    'downgrade': 'access/downgrade.cpp access/message_view.cpp',
    'expression': 'policy/expression.cpp policy/expression_lexer.cpp policy/expression_literals.cpp policy/expression_operand_values.cpp '
                  'policy/expression_operands.cpp policy/expression_parser.cpp policy/expression_values.cpp policy/reply_template.cpp policy/rule_loader_dns.cpp policy/rule_loader_patterns.cpp policy/rule_loader_rules.cpp policy/rule_loader_tests.cpp',
    'frames': 'filters/scan/frames.cpp',
    'from': 'mail/from.cpp',
    'header': 'mail/field_writer.cpp mail/header.cpp',
    'message_text': 'mail/charset.cpp mail/html_entities.cpp mail/html_text.cpp mail/message_text.cpp mail/mime_header.cpp '
                    'mail/mime_walk.cpp mail/shown_text.cpp mail/transfer_encoding.cpp mail/url_finder.cpp',
    'pop3_session': 'access/line_buffer.cpp access/pop3_authorization.cpp access/pop3_commands.cpp '
                    'access/pop3_session.cpp access/pop3_transaction.cpp',
    'proxy': 'net/proxy_header.cpp',
    'record': 'policy/record_decode.cpp',
    'row_codec': 'store/row_codec.cpp',
    'sasl': 'auth/base64.cpp auth/sasl.cpp',
    'chunks smtp_session': 'receiver/command_line_reader.cpp receiver/command_table.cpp receiver/esmtp_parameters.cpp '
                           'receiver/session.cpp receiver/session_envelope.cpp receiver/session_greeting.cpp '
                           'receiver/session_message.cpp',
    'spf_gate': 'filters/scan/spf_gate.cpp filters/scan/spf_macro.cpp filters/scan/spf_record.cpp',
}.items() for file in files.split()}


def sources():
    """{NAME: path of its source}"""
    found = sorted((ROOT / 'tests/fuzz').glob('*/*_fuzz.cpp'))
    return {path.name.removesuffix('_fuzz.cpp'): path for path in found}


def environment():
    env = dict(os.environ)
    env.setdefault('ASAN_OPTIONS', 'detect_leaks=1:abort_on_error=0')
    env.setdefault('ASAN_SYMBOLIZER_PATH', '/usr/bin/llvm-symbolizer-19')
    return env


def run_target(program, name, source, seconds, kept=None):
    """Runs one target, which keeps what is new to it in `kept`; returns (name, what it said if it found something, seconds)."""
    corpus = kept or ROOT / 'build/fuzz-corpora' / name
    crashes = ROOT / 'build/fuzz-crashes'
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    arguments = [str(program), str(corpus)]
    seeds = SEEDS / name
    if seeds.is_dir():
        arguments.append(str(seeds))
    words = source.parent / f'{name}.dict'
    if words.exists():
        arguments.append(f'-dict={words}')
    arguments += [f'-max_total_time={seconds}', f'-max_len={INPUT_LIMIT_OCTETS}', f'-timeout={SLOW_UNIT_SECONDS}',
                  f'-rss_limit_mb={MEMORY_LIMIT_MEGABYTES}', f'-artifact_prefix={crashes}/{name}-', '-print_final_stats=1',
                  '-verbosity=1', '-close_fd_mask=1']
    start = time.monotonic()
    try:
        done = subprocess.run(arguments, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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


def reads_corpus(program, name):
    """Runs a target over its seeds alone; what it says if it finds something in them, else ''."""
    done = subprocess.run([str(program), str(SEEDS / name), '-runs=0', f'-timeout={SLOW_UNIT_SECONDS}'], cwd=ROOT, env=environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode(errors='replace') if done.returncode else ''


def finds(patch, seconds):
    """Plants a bug and looks for it; returns (whether it was found, words)."""
    name = patch.name.split('--')[0]
    start = time.monotonic()
    try:
        program = planted.plant(ROOT / 'build/asan', f'fuzz_{name}', patch, ROOT / 'build/fuzz-self-test' / patch.stem)
    except planted.DoesNotApply:
        return False, 'the patch no longer applies'
    built = f'built in {time.monotonic() - start:.0f} s'
    if reads_corpus(ROOT / f'build/asan/fuzz_{name}', name):
        return False, 'the corpus fails without the bug already'
    if reads_corpus(program, name):
        return False, 'the corpus holds the reproducer'
    _, text, took = run_target(program, name, sources()[name], seconds, kept=ROOT / 'build/fuzz-self-test' / patch.stem / 'corpus')
    if not text:
        return False, f'{built}, nothing in {took:.0f} s'
    reason = next((line for line in text.splitlines() if 'ERROR' in line or 'runtime error' in line), 'stopped')
    return True, f'{built}, found in {took:.0f} s: {reason.strip()[:120]}'


def self_test(seconds, names):
    """Plants each bug of tests/fuzz/bugs, and looks for it with its target, from the seeds alone."""
    missed = 0
    patches = [p for p in sorted(BUGS.glob('*.patch')) if not names or p.name.split('--')[0] in names]
    for patch in patches:
        is_found, words = finds(patch, seconds)
        missed += not is_found
        print(f'{"found" if is_found else "MISSED"} {patch.name}: {words}', flush=True)
    print(f'{len(patches) - missed} passed, {missed} failed')
    return 1 if missed or not patches else 0


def measured(build, names):
    """{source: (lines, lines that the seeds of its targets reach)}; `names`: only of these targets."""
    lines = {}
    profiles = build / 'profiles'
    profiles.mkdir(exist_ok=True)
    wanted = {name for targets in COVERED_BY.values() for name in targets if not names or name in names}
    for name in wanted:
        subprocess.run([str(build / f'fuzz_{name}'), str(SEEDS / name), '-runs=0'], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env=dict(os.environ, LLVM_PROFILE_FILE=str(profiles / f'{name}.profraw')))
    for targets in sorted({targets for targets in COVERED_BY.values() if wanted.issuperset(targets)}):
        merged = profiles / ('+'.join(targets) + '.profdata')
        subprocess.run(['llvm-profdata-19', 'merge', '-o', str(merged), *(str(profiles / f'{name}.profraw') for name in targets)],
                       check=True)
        files = [str(ROOT / file) for file, by in COVERED_BY.items() if by == targets]
        # The first as it is, each other after -object; then the sources.
        programs = [word for name in targets for word in ('-object', str(build / f'fuzz_{name}'))][1:]
        told = subprocess.run(['llvm-cov-19', 'export', '-summary-only', f'-instr-profile={merged}', *programs, *files], check=True,
                              stdout=subprocess.PIPE).stdout
        for file in json.loads(told)['data'][0]['files']:
            counted = file['summary']['lines']
            lines[os.path.relpath(file['filename'], ROOT)] = (counted['count'], counted['covered'])
    return lines


def coverage(names):
    """Do the seeds reach COVERAGE_PERCENT of the lines of each parser?"""
    build = ROOT / 'build/coverage'
    if not (build / 'build.ninja').exists():
        subprocess.run(['cmake', '--preset', 'coverage'], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = {name for by in COVERED_BY.values() for name in by if not names or name in names}
    subprocess.run(['ninja', '-C', str(build), '--quiet', *(f'fuzz_{name}' for name in sorted(targets))], check=True)
    lines = measured(build, names)
    missed = 0
    for file, by in COVERED_BY.items():
        if not targets.issuperset(by):
            continue
        count, covered_lines = lines.get(file, (0, 0))
        percent = 100 * covered_lines / max(count, 1)
        missed += percent < COVERAGE_PERCENT
        print(f'{"ok " if percent >= COVERAGE_PERCENT else "LOW"} {percent:5.1f} % of {count:4} lines: {file} by {", ".join(by)}')
    checked = sum(targets.issuperset(by) for by in COVERED_BY.values())
    print(f'{checked - missed} passed, {missed} failed')
    return 1 if missed or not checked else 0


def main():
    parser = argparse.ArgumentParser(prog='./dev fuzz', description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('what', nargs='*', help='seconds per target, names of targets')
    parser.add_argument('--self-test', action='store_true', help='plant the bugs of tests/fuzz/bugs and find each')
    parser.add_argument('--coverage', action='store_true', help='do the seeds reach the lines of the parsers?')
    arguments = parser.parse_args()
    seconds = next((int(word) for word in arguments.what if word.isdigit()), 60)
    names = [word for word in arguments.what if not word.isdigit()]
    if unknown := set(names) - set(sources()):
        parser.error(f'no such target: {", ".join(sorted(unknown))}; there are {", ".join(sources())}')
    if arguments.self_test:
        return self_test(seconds, names)
    if arguments.coverage:
        return coverage(names)
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
