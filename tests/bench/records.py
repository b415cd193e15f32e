"""A flood of refusals beside good mail: what it costs good mail, and whether every refusal is in the log afterwards."""
import json
import subprocess
import threading
import time

import lab

NETWORKS = 100000
GOOD_CONNECTIONS = 4
GOOD_RATE = 50            # messages a second: some, not a load of their own
BOUND_RATIO = 2.0
SHARE_OF_RATE = 0.98      # the generator must have kept up, else the run says nothing


def start(program, *words):
    return subprocess.Popen([str(word) for word in (lab.LAB / program, *words)], stdout=subprocess.PIPE, text=True)


def finish(process):
    return json.loads(process.communicate()[0])


def good(server, seconds):
    return start('loadgen', server.port, GOOD_RATE * seconds, GOOD_CONNECTIONS, 'reuse=1', f'rate={GOOD_RATE}')


def flood(server, count, rate):
    return start('refusals', server.proxy_port, count, rate, 'refused.example', 'u@bench.test', NETWORKS)


def finish_good(process, seconds, results, what):
    """That of good(), all of which must have been taken: the percentiles are of what got 250."""
    row = finish(process)
    results.bound(f'{what}: good mail that did not get 250', GOOD_RATE * seconds - row['codes'].get('250', 0), 0, '{:.0f}')
    return row


def bench_records(arguments, results):
    dns = lab.Dns([])
    server = lab.Wicket(dns, lab.RULES + lab.REFUSING_RULE, lab.NO_FILTERS, sessions=5000)
    server.start()
    try:
        finish(good(server, 3))
        # As many as beside: the 99th of few is luck.
        quiet = finish_good(good(server, arguments.seconds), arguments.seconds, results, 'before the refusals')
        wanted = arguments.rate * arguments.seconds
        cpu = server.group.cpu()
        flooding = flood(server, wanted, arguments.rate)
        beside = finish_good(good(server, arguments.seconds), arguments.seconds, results, 'beside the refusals')
        flooded = finish(flooding)
        cpu = server.group.quiet() - cpu
        print(f'{wanted} refusals in {flooded["seconds"]:.1f} s ({wanted / flooded["seconds"]:.0f}/s), {flooded["codes"]}, broken '
              f'{flooded["broken"]}, from connect to refusal p50 {flooded["p50"]:.1f} and p99 {flooded["p99"]:.1f} ms; CPU of ours '
              f'{cpu:.1f} s, {cpu * 1000 / wanted:.3f} ms each with the good mail, of the clients {flooded["cpu"]:.1f} s', flush=True)
        print(f'good mail: p99 {quiet["p99"]:.2f} ms alone, {beside["p99"]:.2f} ms beside them '
              f'(p50 {quiet["p50"]:.2f} and {beside["p50"]:.2f} ms), {beside["codes"]}', flush=True)
        results.bound('refusals: seconds for them / seconds wanted', flooded['seconds'] / arguments.seconds, 1 / SHARE_OF_RATE)
        results.bound("refusals: good mail's p99 beside them / alone", beside['p99'] / quiet['p99'], BOUND_RATIO)
        begun, found = time.monotonic(), count_refusals(server)
        print(f'log found {found} of {wanted} refusals in {time.monotonic() - begun:.0f} s', flush=True)
        results.bound('refusals missing in the log', wanted - found, 0, '{:.0f}')
    finally:
        server.stop()
        dns.stop()


def count_refusals(server):
    """Rows that stand for several count as many."""
    total = 0
    process = subprocess.Popen([str(lab.BINARY), 'log', 'verdict:reject', '--json', '-c', str(server.config)], stdout=subprocess.PIPE, text=True)
    drain = threading.Timer(600, process.kill)
    drain.start()
    for line in process.stdout:
        total += json.loads(line).get('folded', {}).get('count', 1)
    process.wait()
    drain.cancel()
    return total
