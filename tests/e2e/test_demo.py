"""What `./dev serve` leaves and does not leave behind."""
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import pathlib

from harness import BINARY, ROOT, Skip, check, equal, wait_until

# Two demos that start at the same time would choose the same free ports.
ONE_DEMO = threading.Lock()


def test_the_demo_file_goes_with_the_demo():
    if not (shutil.which('nsd') or pathlib.Path('/usr/sbin/nsd').exists()):
        raise Skip('there is no nsd')
    with ONE_DEMO, tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / 'seeded').touch()
        with (folder / 'out').open('wb') as out:
            demo = subprocess.Popen([sys.executable, str(ROOT / 'packaging/demo/serve.py'), '--folder', name], stdout=out,
                                    stderr=subprocess.STDOUT, env=dict(os.environ, WICKET_BINARY=BINARY), umask=0o022)
        try:
            path = folder / 'demo.json'
            wait_until(lambda: b'\nready\n' in (folder / 'out').read_bytes() or demo.poll() is not None, 'ready', 120)
            check(demo.poll() is None, (folder / 'out').read_text())
            equal(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, 'what others may do with the passwords')
            equal(stat.S_IMODE((folder / 'state').stat().st_mode), 0o700, 'mode of the state folder')
            server = json.loads(path.read_text())['pids']['server']
            demo.send_signal(signal.SIGTERM)
            equal(demo.wait(60), 0, 'exit code')
            check(not path.exists(), 'demo.json speaks of a server that is gone')
            check(not pathlib.Path(f'/proc/{server}').exists(), 'the server still runs')
        finally:
            demo.kill()
            demo.wait()


def test_what_the_demo_sent_is_decided_again_to_the_word():
    if not (shutil.which('nsd') or pathlib.Path('/usr/sbin/nsd').exists()):
        raise Skip('there is no nsd')
    with ONE_DEMO, tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with (folder / 'out').open('wb') as out:
            demo = subprocess.Popen([sys.executable, str(ROOT / 'packaging/demo/serve.py'), '--folder', name], stdout=out,
                                    stderr=subprocess.STDOUT, env=dict(os.environ, WICKET_BINARY=BINARY), umask=0o022)
        try:
            wait_until(lambda: b'\nready\n' in (folder / 'out').read_bytes() or demo.poll() is not None, 'ready', 240)
            check(demo.poll() is None, (folder / 'out').read_text())

            def command(*words):
                return subprocess.run([BINARY, *words, '-c', str(folder / 'mailwicket.toml'), '--json'], check=True, capture_output=True,
                                      text=True).stdout.splitlines()
            for is_running in (True, False):
                if not is_running:
                    demo.send_signal(signal.SIGTERM)
                    equal(demo.wait(60), 0, 'exit code')
                recorded = [json.loads(line) for line in command('log')]
                check(len(recorded) > 40, f'only {len(recorded)} records')
                *changed, last = [json.loads(line) for line in command('whatif', '--exact')]
                units = sum(max(1, len(record['recipients'])) for record in recorded)
                summary = last['summary']
                equal((changed, summary['changed'], summary['undecidable'], summary['differences'], summary['total']), ([], 0, 0, 0, units),
                      f'{changed} {summary}')
        finally:
            demo.kill()
            demo.wait()
