"""The past judged anew: a million decisions under a changed rule set, beside plain RSA-2048 verifications of one core, and
what the records take on disk."""
import json
import os
import re
import shutil
import subprocess
import threading
import time

import lab
import records

VERIFICATIONS_PER_MILLION = 400_000  # one core's, in the time of a million decisions on two
RECORD_OCTETS = 1024
GOOD_SECONDS = 30
MEMORY_MIB = 512                     # flat: the same for a million as for a hundred thousand


def verifications_a_second():
    """Of one core, with OpenSSL."""
    done = subprocess.run(['openssl', 'speed', '-seconds', '3', 'rsa2048'], capture_output=True, text=True, check=True)
    return float(re.search(r'rsa\s+2048 bits.*?([\d.]+)\s*$', done.stdout, re.M).group(1))


def bench_whatif(arguments, results):
    folder = lab.LAB / 'whatif'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rules = lab.ROOT / 'rules'
    subprocess.run(['ninja', '-C', str(lab.ROOT / 'build/release'), '--quiet', 'past'], check=True)
    begun = time.monotonic()
    made = json.loads(subprocess.run([str(lab.ROOT / 'build/release/past'), str(folder / 'state'), str(rules),
                                      str(arguments.records)], check=True, capture_output=True, text=True).stdout)
    print(f'{made["records"]} records made in {time.monotonic() - begun:.0f} s, {made["octets"] / made["records"]:.0f} octets each on disk',
          flush=True)
    results.bound('records: octets on disk each, all that belongs to them', made['octets'] / made['records'], RECORD_OCTETS, '{:.0f}')
    config = folder / 'mailwicket.toml'
    config.write_text(f'hostname = "mx.bench.test"\nstate = "state"\nrules = "{rules}"\n[[listen]]\nservice = "smtp"\n'
                      'address = "127.0.0.1:0"\n[[domain]]\nname = "example.test"\n')
    shutil.copytree(rules, folder / 'changed')
    thresholds = folder / 'changed/00-thresholds.toml'
    text = re.sub(r'(?m)^junk(\s*)=.*$', r'junk\1= 4', thresholds.read_text())
    thresholds.write_text(text)
    same = whatif(config)
    results.bound('whatif: decisions that change under the same rules', same['summary']['changed'] + same['summary']['undecidable'], 0, '{:.0f}')
    verified = verifications_a_second()
    changed = whatif(config, '--rules', str(folder / 'changed'))
    decisions = changed['summary']['total'] / changed['seconds']
    print(f'{changed["summary"]["total"]} decisions in {changed["seconds"]:.1f} s: {decisions:.0f} a second, '
          f'{changed["summary"]["changed"]} changed, {changed["summary"]["undecidable"]} undecidable, {changed["mib"]:.0f} MiB; '
          f'{verified:.0f} verifications a second', flush=True)
    results.bound('whatif: seconds for a million / for 400,000 RSA-2048 verifications',
                  1_000_000 / decisions / (VERIFICATIONS_PER_MILLION / verified), 1)
    results.bound('whatif: MiB resident', changed['mib'], MEMORY_MIB, '{:.0f}')
    beside(folder, results)
    shutil.rmtree(folder)


def beside(folder, results):
    """What good mail waits for its 250 while the past is judged, again and again."""
    dns = lab.Dns([])
    server = lab.Wicket(dns, lab.RULES, lab.NO_FILTERS, state=folder / 'state')
    server.start()
    is_over, runs = threading.Event(), []

    def judge():
        while not is_over.is_set():
            runs.append(whatif(server.config, '--rules', str(folder / 'changed')))
    try:
        records.finish(records.good(server, 3))
        alone = records.finish_good(records.good(server, GOOD_SECONDS), GOOD_SECONDS, results, 'before whatif')
        judging = threading.Thread(target=judge)
        judging.start()
        time.sleep(1)
        good = records.finish_good(records.good(server, GOOD_SECONDS), GOOD_SECONDS, results, 'beside whatif')
        assert judging.is_alive(), 'whatif failed: nothing was judged beside the mail'
        is_over.set()
        judging.join()
        print(f'good mail: p99 {alone["p99"]:.2f} ms alone, {good["p99"]:.2f} ms beside {len(runs)} runs of whatif '
              f'(p50 {alone["p50"]:.2f} and {good["p50"]:.2f} ms), {good["codes"]}', flush=True)
        results.bound("whatif: good mail's p99 beside it / alone", good['p99'] / alone['p99'], records.BOUND_RATIO)
    finally:
        is_over.set()
        server.stop()
        dns.stop()


def whatif(config, *words):
    begun = time.monotonic()
    process = subprocess.Popen([str(lab.BINARY), 'whatif', '--json', '-c', str(config), *words], stdout=subprocess.PIPE, text=True)
    last = ''
    for line in process.stdout:
        last = line
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f'whatif ended with {process.returncode}'
    return {'seconds': time.monotonic() - begun, 'mib': usage.ru_maxrss / 1024, **json.loads(last)}
