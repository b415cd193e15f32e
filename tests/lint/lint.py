"""The body of `./dev lint`: format, include arrows, bans, headers that compile alone, clang-tidy.

The rules are the tables at the top; docs/architecture.md says why they are so. What costs a compiler run is remembered
in build/lint-cache under a hash of all its inputs, so that a second run is quick. Prints FILE:LINE: what, and why.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / 'build/lint-cache'
RECENT_COMMITS = 20

# Which folder may include which. A target in the form folder/file.hpp allows that header alone.
ARROWS = {
    'base': {'base'},
    'mail': {'base', 'mail'},
    'net': {'base', 'net'},
    'policy': {'base', 'mail', 'policy'},
    # Of net/ the resolver's interface and the deadline of an awaitable, which hides its timer.
    'filters': {'base', 'mail', 'filters', 'filters/scan', 'net/resolver.hpp', 'net/timeout.hpp'},
    'filters/scan': {'base', 'mail', 'filters', 'filters/scan'},
    'store': {'base', 'mail', 'store'},
    'auth': {'base', 'mail', 'auth'},
    # Of policy and store the interface headers, which hold no third-party type and no implementation.
    'receiver': {'base', 'mail', 'net', 'auth', 'receiver', 'policy/verdict.hpp', 'policy/record.hpp', 'policy/rules.hpp',
                 'store/accounts.hpp', 'store/mail_store.hpp', 'store/decision_log.hpp'},
    'access': {'base', 'mail', 'net', 'auth', 'access', 'policy/verdict.hpp', 'store/accounts.hpp', 'store/mail_store.hpp'},
    'server': {'*'},
    'tests': {'*'},
}
# Generated headers and the folders whose files may see them.
GENERATED = {'policy/record.pb.h': {'policy'}, 'filters/scan/frames.pb.h': {'filters', 'filters/scan'}}

# (what, where it is allowed, why). Comments and string literals do not count.
BANS = [
    (r'\bsteady_clock::now\b', r'^(base/clock\.cpp|tests/)', 'time comes from base/clock.hpp, so that tests can turn it'),
    (r'\bsystem_clock::now\b', r'^(base/clock\.cpp|tests/)', 'time comes from base/clock.hpp, so that tests can turn it'),
    (r'\brandom_device\b|\bgetrandom\s*\(|\bgetentropy\s*\(', r'^base/random\.cpp', 'randomness comes from base/random.hpp'),
    (r'\bstd::(jthread|thread)\b(?!::id)', r'^(base|net|store|tests)/', 'threads belong to net/ and store/'),
    (r'\bstd::async\b', r'^$', 'threads belong to net/ and store/'),
    (r'\bsteady_timer\b|\bsystem_timer\b', r'^(base|net|tests)/', 'timers come from net/'),
    (r'\b(fork|vfork|system|popen|execvp?e?|execlp?)\s*\(', r'^tests/', 'only posix_spawn, and only of ourselves'),
    (r'\b(strcpy|strcat|sprintf|gets|strtok|mktemp|tmpnam|rand|srand)\s*\(', r'^$', 'unsafe or not thread-safe'),
    (r'\busing namespace std\s*;', r'^$', 'names stay qualified'),
    (r'\bconst_cast\b', r'^(filters/scan/|tests/)', 'only at the edge to C libraries'),
    (r'\bDISABLED_\w+', r'^$', 'a test that does not run proves nothing'),
]
# (included header, where it is allowed, why)
INCLUDE_BANS = [
    (r'boost/asio\.hpp$', r'^$', 'include the narrow Asio header: the whole costs seconds a file'),
    (r'boost/beast', r'^server/.*\.cpp$', 'slow to compile'),
    (r'spf2/|^dkim\.h$|opendkim/dkim\.h', r'^(filters/scan/|tests/(unit|fuzz)/filters/)', 'the C libraries run in the scan worker only'),
    (r'^rocksdb/', r'^(store/(.*\.cpp|.*internal.*\.hpp|rocks.*\.hpp|.*database.*\.hpp|.*key.*\.hpp)|tests/(unit|faults|support)/)', 'RocksDB stays inside store/'),
    (r'CLI/|CLI11', r'^server/(main/)?[a-z_]*\.cpp$', 'the command line is read in one file'),
    (r'toml\+\+/', r'^base/config_reader\.cpp$', 'TOML is read in one file'),
    (r'^unbound(-event)?\.h$', r'^net/.*\.cpp$', 'libunbound stays behind DnsResolver'),
    (r'^openssl/', r'^((base|net|auth|store|filters/scan)/.*|tests/.*)$', 'TLS belongs to net/, hashes to base/ and auth/'),
    (r'^argon2\.h$', r'^auth/.*\.cpp$', 'passwords are hashed in auth/'),
    (r'^re2/', r'^(policy/.*|mail/pattern_matcher\.cpp|tests/.*)$', 'regular expressions belong to the rules'),
    (r'^(vmime|xapian|clamav|fuzzy)', r'^$', 'GPL-only libraries do not fit our licence'),
]
# In every text file of the project: what must not get into it.
TEXT_BANS = [
    (r'/wor[k]/|/tmp/bash_job[s]|/hom[e]/|/roo[t]/', r'^tests/bench/', 'a path of one machine'),
    (r'\bT(?:ODO)\b|\bF(?:IXME)\b|\bX(?:XX)\b', r'^$', 'finish it, or open an issue'),
    (r'^(<{7} |>{7} |={7}$)', r'^$', 'a merge conflict'),
]
TEXT_SUFFIXES = {'.cpp', '.hpp', '.py', '.md', '.txt', '.toml', '.sh', '.proto', '.json', '.supp', ''}
HEADER_LINE_LIMIT = 250   # about 150 is the aim
SOURCE_LINE_LIMIT = 650   # about 500 is the aim


class Report:
    def __init__(self):
        self.faults = 0

    def fault(self, where, what):
        self.faults += 1
        print(f'{where}: {what}', flush=True)


def project_files():
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '-z'], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    names = sorted(set(listed.stdout.decode().split('\0')) - {''})
    return [name for name in names if (ROOT / name).is_file()]


def is_source(name):
    return name.endswith(('.cpp', '.hpp'))


def folder_of(name):
    """The row of ARROWS that a file belongs to."""
    parts = name.split('/')
    return '/'.join(parts[:2]) if '/'.join(parts[:2]) in ARROWS and len(parts) > 2 else parts[0]


def without_comments(text, keep_strings=False):
    """The code alone, line for line: comments and the insides of literals are blanked."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)

    def blank(match):
        word = match[0]
        if not word.startswith('/') and keep_strings:
            return word
        return '\n' * word.count('\n') if word.startswith('/') else '""' + '\n' * word.count('\n')
    return pattern.sub(blank, text)


def check_format(files, report):
    result = subprocess.run(['clang-format-19', '--dry-run', '-Werror', '--ferror-limit=1', *files], cwd=ROOT,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in result.stdout.splitlines():
        if 'error:' in line:
            report.fault(line.split(': error:')[0], 'not as clang-format-19 has it')


def may_include(folder, target):
    allowed = ARROWS[folder]
    return '*' in allowed or folder_of(target) in allowed or target in allowed


def check_includes(name, code, report):
    folder = folder_of(name)
    for number, line in enumerate(code.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not match:
            continue
        target, where = match[2], f'{name}:{number}'
        for pattern, allowed, why in INCLUDE_BANS:
            if re.search(pattern, target) and not re.search(allowed, name):
                report.fault(where, f'{target}: {why}')
        if match[1] == '<':
            continue
        if target in GENERATED:
            if folder not in GENERATED[target] and folder not in ('server', 'tests'):
                report.fault(where, f'{target} is for {", ".join(sorted(GENERATED[target]))} only')
        elif not (ROOT / target).exists():
            report.fault(where, f'{target}: includes are written from the root')
        elif folder not in ARROWS:
            report.fault(where, f'{folder}/ has no row in the arrows of tests/lint/lint.py')
        elif not may_include(folder, target):
            report.fault(where, f'{folder}/ must not include {target} (docs/architecture.md)')


def check_source(name, report):
    text = (ROOT / name).read_text()
    check_includes(name, without_comments(text, keep_strings=True), report)
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        for pattern, allowed, why in BANS:
            if (match := re.search(pattern, line)) and not re.search(allowed, name):
                report.fault(f'{name}:{number}', f'{match[0]}: {why}')
    if name.endswith('.hpp'):
        if '#pragma once' not in text:
            report.fault(f'{name}:1', 'no #pragma once')
        if not text.startswith('//'):
            report.fault(f'{name}:1', 'a header opens with what it is, who owns it, and which threads')
    lines, limit = text.count('\n'), HEADER_LINE_LIMIT if name.endswith('.hpp') else SOURCE_LINE_LIMIT
    if lines > limit and not name.startswith('tests/'):
        report.fault(f'{name}:{limit}', f'{lines} lines; split it by responsibility (at most {limit})')


def check_text(name, report):
    if pathlib.Path(name).suffix not in TEXT_SUFFIXES or name == 'LICENSE' or name.startswith('tests/fuzz/corpora/'):
        return
    try:
        text = (ROOT / name).read_text()
    except UnicodeDecodeError:
        return
    if name == 'tests/lint/lint.py':
        return
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, allowed, why in TEXT_BANS:
            if (match := re.search(pattern, line)) and not re.search(allowed, name):
                report.fault(f'{name}:{number}', f'{match[0]}: {why}')


def check_suppressions(report):
    """tests/tsan.supp may name three libraries only, and each line has its reason above it."""
    reason = False
    for number, line in enumerate((ROOT / 'tests/tsan.supp').read_text().splitlines(), 1):
        if not line.startswith('#') and line.strip():
            if not re.search(r'(rocksdb|protobuf|unbound)', line) or not reason:
                report.fault(f'tests/tsan.supp:{number}', 'only RocksDB, protobuf and libunbound, one reason a line')
        reason = line.startswith('#')


def check_planted(report):
    """A planted bug that no longer applies would be found by the long runs only, an hour later."""
    for patch in sorted(ROOT.glob('tests/*/bugs/*.patch')):
        done = subprocess.run(['git', 'apply', '--check', str(patch)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            report.fault(patch.relative_to(ROOT), 'does not apply: ' + done.stderr.strip().splitlines()[0])


# ---- what needs a compiler ----

def includes_of(name, seen):
    """All project files that `name` reaches, itself included."""
    if name in seen or not (ROOT / name).is_file():
        return seen
    seen.add(name)
    for target in re.findall(r'^\s*#\s*include\s+"([^"]+)"', (ROOT / name).read_text(), re.M):
        includes_of(target, seen)
    return seen


def key_of(name, flags, extra=()):
    digest = hashlib.sha256('\0'.join(flags).encode())
    for path in sorted(includes_of(name, set())) + [str(p) for p in extra]:
        digest.update(path.encode() + b'\0' + (ROOT / path).read_bytes())
    return digest.hexdigest()


def remembered(kind, name, flags, extra, run):
    """Runs `run` unless these very inputs were found good before; returns its output, '' if good."""
    mark = CACHE / kind / key_of(name, flags, extra)
    if mark.exists():
        return ''
    output = run()
    if not output:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return output


def generate_headers():
    protos = subprocess.run(['git', 'ls-files', '*.proto'], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    targets = ['proto/' + p.replace('.proto', '.pb.h') for p in protos]
    if targets:
        subprocess.run(['ninja', '-C', 'build/dev', '--quiet', *targets], cwd=ROOT, check=True)
    else:
        subprocess.run(['ninja', '-C', 'build/dev', '--quiet', 'build.ninja'], cwd=ROOT, check=True)


def compile_commands():
    """{source: command}, also written to build/lint for clang-tidy: without the precompiled header, which hides what a file
    forgets to include."""
    rows = json.loads((ROOT / 'build/dev/compile_commands.json').read_text())
    for row in rows:
        row['command'] = re.sub(r' -Xclang -include(?:-pch)? -Xclang \S+', '', row['command'].replace('-Xclang -fno-pch-timestamp ', ''))
    folder = ROOT / 'build/lint'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'compile_commands.json').write_text(json.dumps(rows))
    return {os.path.relpath(row['file'], ROOT): row['command'] for row in rows}


def header_flags(commands):
    """Flags for a header alone: those of any source, without its output and input."""
    command = shlex.split(next(command for name, command in commands.items() if name.startswith('base/')))
    flags = [word for word in command[1:] if word.startswith(('-D', '-std', '-W')) and not word.startswith('-Wl')]
    flags = [flag for flag in flags if flag != '-Werror' and not flag.startswith('-D_FORTIFY')]
    return [*flags, '-DWICKET_SOURCE_DIR="."', '-Ibuild/dev/proto', '-I.', '-fsyntax-only', '-ferror-limit=3', '-x', 'c++']


def check_header(name, flags):
    def run():
        result = subprocess.run(['clang++-19', *flags, '-'], cwd=ROOT, input=f'#include "{name}"\n', text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return result.stdout if result.returncode else ''
    return name, remembered('header', name, flags, (), run)


def check_tidy(name, command, thorough):
    """What .clang-tidy lists as errors is a fault; the rest of what it finds, clang-tidy itself shows in an editor.
    The path-sensitive analyzer takes as long as everything else together: only --all runs it."""
    options = [] if thorough else ['--checks=-clang-analyzer-*']

    def run():
        result = subprocess.run(['clang-tidy-19', '-p', 'build/lint', '--quiet', *options, name], cwd=ROOT,
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wanted = [line for line in result.stdout.splitlines() if ' error: ' in line]
        return '\n'.join(line.replace(f'{ROOT}/', '') for line in dict.fromkeys(wanted)) or ('' if result.returncode == 0 else result.stdout)
    return name, remembered('tidy', name, [command, *options], ['.clang-tidy'], run)


def changed_sources(sources):
    """Sources of the last commits and of the work tree; for a changed header the source beside it."""
    count = int(subprocess.run(['git', 'rev-list', '--count', 'HEAD'], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    if count <= RECENT_COMMITS:
        return sources
    changed = subprocess.run(['git', 'diff', '--name-only', f'HEAD~{RECENT_COMMITS}'], cwd=ROOT, check=True,
                             stdout=subprocess.PIPE, text=True).stdout.split()
    changed += subprocess.run(['git', 'ls-files', '-o', '--exclude-standard'], cwd=ROOT, check=True,
                              stdout=subprocess.PIPE, text=True).stdout.split()
    wanted = {name.removesuffix('.hpp') + '.cpp' if name.endswith('.hpp') else name for name in changed}
    return [name for name in sources if name in wanted]


def run_all(pool, title, work, report):
    """Reports what each future of `work` found; a line that several files brought up, once."""
    start, count, told = time.monotonic(), 0, set()
    for done in concurrent.futures.as_completed(work):
        name, output = done.result()
        count += 1
        report.faults += bool(output)
        new = [line for line in output.splitlines() if line not in told]
        told.update(new)
        if new:
            print(f'{title}: {name}\n' + '\n'.join(new), flush=True)
    print(f'{title}: {count} files in {time.monotonic() - start:.0f} s', flush=True)


def main():
    parser = argparse.ArgumentParser(prog='./dev lint', description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--all', action='store_true', help='clang-tidy over everything, with its analyzer')
    parser.add_argument('--quick', action='store_true', help='nothing that needs a compiler')
    parser.add_argument('paths', nargs='*', help='only files below these')
    arguments = parser.parse_args()
    report = Report()
    files = [f for f in project_files() if not arguments.paths or any(f == p or f.startswith(p.rstrip('/') + '/') for p in arguments.paths)]
    code = [name for name in files if is_source(name)]
    if code:
        check_format(code, report)
    for name in code:
        check_source(name, report)
    for name in files:
        check_text(name, report)
    check_suppressions(report)
    check_planted(report)
    if not arguments.quick and code:
        generate_headers()
        commands = compile_commands()
        headers = [name for name in code if name.endswith('.hpp')]
        sources = [name for name in code if name in commands]
        chosen = sources if arguments.all or arguments.paths else changed_sources(sources)
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            flags = header_flags(commands)
            run_all(pool, 'headers alone', [pool.submit(check_header, name, flags) for name in headers], report)
            run_all(pool, 'clang-tidy', [pool.submit(check_tidy, name, commands[name], arguments.all) for name in chosen], report)
    print(f'lint: {report.faults} faults in {len(files)} files', flush=True)
    return 1 if report.faults else 0


if __name__ == '__main__':
    sys.exit(main())
