"""The body of `./dev bench [smtp|idle|records|rules|whatif]...`: measures our server, beside Postfix where that makes sense.

Prints each figure with the bound it must keep, and writes build/bench/results.jsonl. Exit 1 if a bound is broken.
--messages, --rounds, --sessions and --seconds make a run shorter or longer.
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

import idle
import lab
import records
import rules
import whatif

CONNECTIONS = 20
SIZE = 10240
BOUNDS = {'plain': 1 / 5, 'warm': 1 / 2, 'cold': 1.0}
# By whether a connection is used again.
HOW = {False: 'one message a connection', True: 'many messages a connection (-d)'}


class Results:
    def __init__(self):
        self.broken = 0
        self.file = (lab.LAB / 'results.jsonl').open('a')

    def note(self, **row):
        row['time'] = time.strftime('%F %T')
        self.file.write(json.dumps(row) + '\n')
        self.file.flush()

    def bound(self, what, value, most, form='{:.3f}'):
        kept = value <= most
        self.broken += not kept
        print(f'{"ok    " if kept else "BROKEN"} {what}: {form.format(value)} (at most {form.format(most)})', flush=True)
        self.note(what=what, value=value, most=most)


def smtp_source(port, messages, reuse, file=None):
    """Postfix's own load generator; returns (seconds, error)."""
    words = ['/usr/sbin/smtp-source', '-s', str(CONNECTIONS), '-m', str(messages), '-f', 's@sender.example', '-t', 'u@bench.test',
             '-M', 'client.sender.example', *(['-d'] if reuse else []), *(['-F', str(file)] if file else ['-l', str(SIZE)]),
             f'127.0.0.1:{port}']
    start = time.monotonic()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=600)
    return time.monotonic() - start, done.stderr.strip()[:200] if done.returncode else ''


def loadgen(port, messages, connections, **options):
    """Our own; returns its JSON."""
    words = [str(lab.LAB / 'loadgen'), str(port), str(messages), str(connections)] + [f'{k}={v}' for k, v in options.items()]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(side, messages, send):
    """One run: warm up, then CPU seconds and messages a second of `send(messages)`; counters of ours beside."""
    send(max(100, 5 * CONNECTIONS))
    side.group.quiet()
    os.sync()
    ours = isinstance(side, lab.Wicket)
    before = side.status() if ours else {}
    cpu, parts = side.group.cpu(), side.cpu_parts() if ours else None
    seconds, error = send(messages)
    used = side.group.quiet() - cpu
    row = {'rate': messages / seconds, 'cpu': used * 1000 / messages, 'error': error}
    if ours:
        after, now = side.status(), side.cpu_parts()
        row |= {'front': (now[0] - parts[0]) * 1000 / messages, 'workers': (now[1] - parts[1]) * 1000 / messages,
                'questions': (after['dns_sent'] - before['dns_sent']) / messages,
                'passes': (after['scan_passes'] - before['scan_passes']) / max(1, after['scan_jobs'] - before['scan_jobs']),
                'jobs': (after['scan_jobs'] - before['scan_jobs']) / messages,
                'pids': {'front': side.process.pid, 'workers': side.worker_pids()}}
    return row


def interleaved(turns, rounds):
    """{key: [row]} of `turns`, [(key, side, run(side) -> row)], that follow one another in each round, each with a fresh start.

    Rounds with a run that failed count for nobody: what is compared is of the same rounds.
    """
    rows = {key: [] for key, _, _ in turns}
    for number in range(rounds):
        found = {}
        for key, side, run in turns:
            side.start()
            try:
                found[key] = run(side)
            finally:
                side.stop()
        if errors := [f'{key}: {row["error"]}' for key, row in found.items() if row['error']]:
            print(f'# round {number + 1} does not count: {errors}', flush=True)
            continue
        for key, row in found.items():
            rows[key].append(row)
    if not all(rows.values()):
        raise SystemExit('no round without an error')
    return rows


def middle(rows, key):
    return statistics.median(row[key] for row in rows)


def show(title, rows):
    print(f'\n{title}')
    for name, each in rows.items():
        line = f'  {name:12} {middle(each, "rate"):7.0f} msg/s  {middle(each, "cpu"):.3f} CPU-s/1000'
        if 'front' in each[0]:
            line += (f'  (front {middle(each, "front"):.3f}, workers {middle(each, "workers"):.3f})  DNS questions/msg '
                     f'{middle(each, "questions"):.2f}  scan jobs/msg {middle(each, "jobs"):.2f}  passes/job {middle(each, "passes"):.2f}'
                     f'  pids {each[-1]["pids"]}')
        print(line + f'  [{len(each)} runs]', flush=True)


def latency(side, messages, **options):
    """How long the 250 of a message takes."""
    row = loadgen(side.port, messages, CONNECTIONS, size=SIZE, **options)
    print(f'  end of data: p50 {row["p50"]:.2f} ms, p99 {row["p99"]:.2f} ms, longest {row["max"]:.1f} ms', flush=True)
    if row['codes'] != {'250': messages}:
        raise SystemExit(f'good mail was not all accepted: {row}')


def bench_smtp(arguments, results):
    """Postfix, ours without filters, with filters and all warm, and cold: in turn in every round."""
    dns = lab.Dns(warm_records() + cold_records(arguments.cold))
    postfix, plain = lab.Postfix(), lab.Wicket(dns, lab.RULES, lab.NO_FILTERS)
    full = lab.Wicket(dns, lab.RULES + lab.LIST_RULES + lab.SENDER_RULES)
    message = warm_message()

    def source(reuse, file=None):
        return lambda side: measure(side, arguments.messages, lambda n: smtp_source(side.port, n, reuse, file))
    try:
        turns = []
        for reuse in HOW:
            turns += [(('postfix', reuse), postfix, source(reuse)), (('plain', reuse), plain, source(reuse)),
                      (('warm', reuse), full, source(reuse, message))]
        turns.append((('cold', False), full, lambda side: cold_run(arguments, dns, side)))
        rows = interleaved(turns, arguments.rounds)
        for reuse, how in HOW.items():
            show(f'Without filters, {how}, {SIZE} octets, {CONNECTIONS} connections',
                 {'postfix': rows['postfix', reuse], 'mailwicket': rows['plain', reuse]})
            results.bound(f'without filters, {how}: our CPU / Postfix', beside_postfix(rows, 'plain', reuse), BOUNDS['plain'])
        with running(plain):
            latency(plain, arguments.messages)
        for reuse, how in HOW.items():
            show(f'Three lists, SPF, one signature, all warm, {how}', {'mailwicket': rows['warm', reuse]})
            results.bound(f'warm filters, {how}: our CPU / Postfix without filters', beside_postfix(rows, 'warm', reuse), BOUNDS['warm'])
        with running(full):
            latency(full, arguments.messages, file=message)
            verify_checks(full)
        show('Three lists, SPF, one signature, a fresh domain, key and client each (new connections)', {'mailwicket': rows['cold', False]})
        print(f'  end of data: p50 {middle(rows["cold", False], "p50"):.2f} ms, p99 {middle(rows["cold", False], "p99"):.2f} ms')
        results.bound('cold filters: our CPU / Postfix without filters', beside_postfix(rows, 'cold', False), BOUNDS['cold'])
        least = len(lab.LISTS) + 1
        results.bound(f'cold filters: fewest questions a message wanted ({least}) / those asked',
                      least / middle(rows['cold', False], 'questions'), 1.0)
    finally:
        dns.stop()


def beside_postfix(rows, name, reuse):
    """Our CPU seconds / those of Postfix with as many messages a connection."""
    return middle(rows[name, reuse], 'cpu') / middle(rows['postfix', reuse], 'cpu')


@contextlib.contextmanager
def running(side):
    side.start()
    try:
        yield
    finally:
        side.stop()


def warm_message():
    """Of the fixed sender, with one RSA-2048 signature."""
    message = lab.LAB / 'warm.eml'
    message.write_bytes(lab.signed_message('sender.example', lab.make_key(lab.LAB / 'keys/sender.example.pem'), SIZE))
    return message


def verify_checks(side):
    """The figure is worth nothing if the checks did not check."""
    record = json.loads(side.command('log', '--json').splitlines()[-1])
    facts = record['facts']
    if facts.get('spf.result') != 'pass' or facts.get('dkim.pass') != ['sender.example'] or facts.get('dnsbl.bl1') != []:
        raise SystemExit(f'the filters did not see what they should: {facts}')


def warm_records():
    """What the fixed sender publishes."""
    key = lab.make_key(lab.LAB / 'keys/sender.example.pem')
    return [*lab.sender_records('sender.example', key, ['127.0.0.1']), ('client.sender.example', 'A', '127.0.0.1'),
            ('1.0.0.127.in-addr.arpa', 'PTR', 'client.sender.example.')]


def cold_address(number):
    """As loadgen's PROXY line."""
    return f'{11 + number // 65536}.{number // 256 % 256}.{number % 256}.7'


def cold_records(count):
    """A domain, a key and a client for each message; keys and messages are made once and kept."""
    (lab.LAB / 'cold').mkdir(parents=True, exist_ok=True)

    def one(number):
        domain, key = f'd{number}.example', lab.make_key(lab.LAB / f'keys/cold{number}.pem')
        message = lab.LAB / f'cold/{number}.eml'
        if not message.exists():
            message.write_bytes(lab.signed_message(domain, key, SIZE))
        address = cold_address(number)
        name = '.'.join(reversed(address.split('.'))) + '.in-addr.arpa'
        return [*lab.sender_records(domain, key, [address]), (name, 'PTR', f'c.{domain}.'), (f'c.{domain}', 'A', address)]
    print(f'# {count} keys and messages of cold senders', flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return sum(pool.map(one, range(count)), [])


def cold_run(arguments, dns, side):
    """A fresh sender domain, key and client per message: no cache helps."""
    warm_up = 100
    count = arguments.cold - warm_up
    options = {'proxy': 1, 'domain': 'd%d.example', 'file': lab.LAB / 'cold/%d.eml'}
    loadgen(side.proxy_port, warm_up, CONNECTIONS, **options)
    side.group.quiet()
    before, cpu, parts, asked = side.status(), side.group.cpu(), side.cpu_parts(), dns.questions()
    row = loadgen(side.proxy_port, count, CONNECTIONS, first=warm_up, **options)
    used, now, after = side.group.quiet() - cpu, side.cpu_parts(), side.status()
    jobs = after['scan_jobs'] - before['scan_jobs']
    if row['codes'] != {'250': count}:
        raise SystemExit(f'cold mail was not all accepted: {row}')
    return {'rate': count / row['seconds'], 'cpu': used * 1000 / count, 'front': (now[0] - parts[0]) * 1000 / count,
            'workers': (now[1] - parts[1]) * 1000 / count, 'questions': (dns.questions() - asked) / count,
            'jobs': jobs / count, 'passes': (after['scan_passes'] - before['scan_passes']) / max(1, jobs),
            'pids': {'front': side.process.pid, 'workers': side.worker_pids()}, 'p50': row['p50'], 'p99': row['p99'], 'error': ''}


def main():
    parser = argparse.ArgumentParser(prog='./dev bench', description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('names', nargs='*', help='smtp, idle, records, rules, whatif; all of them by default')
    parser.add_argument('--messages', type=int, default=4000)
    parser.add_argument('--cold', type=int, default=1100, help='messages of the cold run, its warm-up included')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--sessions', type=int, default=10000)
    parser.add_argument('--seconds', type=int, default=60)
    parser.add_argument('--records', type=int, default=1_000_000, help='that whatif judges')
    parser.add_argument('--rate', type=int, default=5000)
    arguments = parser.parse_args()
    benches = {'smtp': bench_smtp, 'idle': idle.bench_idle, 'records': records.bench_records,
               'rules': rules.bench_rules, 'whatif': whatif.bench_whatif}
    if unknown := set(arguments.names) - set(benches):
        parser.error(f'there is no {", ".join(unknown)}; there are {", ".join(benches)}')
    if os.geteuid() != 0:
        raise SystemExit('./dev bench needs root: a loop mount, cgroups and Postfix')
    lab.mount()
    lab.prepare()
    results = Results()
    try:
        for name in arguments.names or benches:
            print(f'== {name}', flush=True)
            benches[name](arguments, results)
    finally:
        lab.unmount()
    print(f'{results.broken} bounds broken')
    return 1 if results.broken else 0


if __name__ == '__main__':
    sys.exit(main())
