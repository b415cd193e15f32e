"""What `./dev serve` leaves and does not leave behind."""
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import pathlib

from harness import BINARY, ROOT, Skip, check, equal, wait_until


def test_the_demo_file_goes_with_the_demo():
    if not (shutil.which('nsd') or pathlib.Path('/usr/sbin/nsd').exists()):
        raise Skip('there is no nsd')
    with tempfile.TemporaryDirectory() as name:
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
