"""Whose the state folder is, and who can get into it: whatever command makes it, whoever started it."""
import os
import pathlib
import pwd
import shutil
import stat

from harness import BINARY, DOMAIN, MESSAGE, Server, Skip, check, deliver, equal, wait_until

NOBODY = 'nobody'
LARGE_MESSAGE = MESSAGE + (b'x' * 76 + b'\r\n') * 18000


def need_root():
    if os.geteuid() != 0:
        raise Skip('only root can become somebody else')


def entries(folder):
    """The folder itself and all in it."""
    return [folder, *sorted(folder.rglob('*'))]


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def owners(server):
    return {path.lstat().st_uid for path in entries(server.folder / 'state')}


def stranger_reads(server, path):
    """Whether a process of nobody's can open it."""
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(pwd.getpwnam(NOBODY).pw_uid)
        try:
            path.open('rb').close()
            os._exit(1)
        except OSError:
            os._exit(0)
    return os.waitpid(pid, 0)[1] != 0


def test_what_account_add_makes_is_nobody_elses_to_read():
    before = os.umask(0o022)
    server = Server(accounts=())
    try:
        server.add_account('alice')
        state = server.folder / 'state'
        equal(oct(mode(state)), '0o700', 'mode of the state folder')
        files = [path for path in entries(state) if path.is_file()]
        check(len(files) > 5, f'files: {files}')
        equal([path for path in entries(state) if mode(path) & 0o077], [], 'what others may read or enter')
    finally:
        os.umask(before)
        server.stop()


def test_a_state_folder_that_others_can_enter_is_closed_to_them():
    server = Server(accounts=('alice',))
    try:
        state = server.folder / 'state'
        state.chmod(0o755)
        result = server.command('account', 'add', f'bob@{DOMAIN}', stdin='secret one\n')
        equal(oct(mode(state)), '0o700', 'mode after account add')
        check('0755' in result.stderr and str(state) in result.stderr, f'no word of it: {result.stderr}')
        state.chmod(0o751)
        server.start()
        equal(oct(mode(state)), '0o700', 'mode after serve')
        check('0751' in server.log_text(), f'no word of it: {server.log_text()}')
        equal([path for path in entries(state) if mode(path) & 0o077], [], 'what others may read or enter')
        if os.geteuid() == 0:
            server.folder.chmod(0o755)
            check(not stranger_reads(server, state / 'mail/CURRENT'), 'a stranger reads the store')
    finally:
        server.stop()


def open_to_nobody(server):
    """What a server of nobody's has to read itself; its key is read before that."""
    for path in (server.folder, server.folder / 'rules'):
        path.chmod(0o755)


def status(pid):
    return dict(line.split(':\t', 1) for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines() if ':\t' in line)


def expect_nobodys(server):
    """The running server is nobody's in every way, and keeps mail of all sizes."""
    entry = pwd.getpwnam(NOBODY)
    for pid in (server.pid(), *wait_until(server.workers, 'scan workers')):
        found = status(pid)
        equal(set(found['Uid'].split()), {str(entry.pw_uid)}, f'uids of {pid}')
        equal(set(found['Gid'].split()), {str(entry.pw_gid)}, f'gids of {pid}')
        equal(found['Groups'].split(), [], f'groups of {pid}')
        for kind in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
            equal(int(found[kind], 16), 0, f'{kind} of {pid}')
        # proc(5): what is not dumpable belongs to root, whoever it runs as. A worker begins as any program does.
        wait_until(lambda: pathlib.Path(f'/proc/{pid}/environ').stat().st_uid == 0, f'{pid} is not dumpable')
    equal(owners(server), {entry.pw_uid}, 'owners in the state folder')
    equal(deliver(server).code, 250, 'a small message')
    equal(deliver(server, message=LARGE_MESSAGE).code, 250, 'a message that goes through the spool')
    equal(owners(server), {entry.pw_uid}, 'owners after mail')


def test_a_process_user_gets_a_fresh_state_folder():
    need_root()
    server = Server(accounts=(), tables=f'[process]\nuser = "{NOBODY}"\n')
    open_to_nobody(server)
    with server:
        server.add_account('alice')
        expect_nobodys(server)


def test_a_process_user_need_not_reach_the_binary():
    need_root()
    server = Server(accounts=(), tables=f'[process]\nuser = "{NOBODY}"\n')
    open_to_nobody(server)
    closed = server.folder / 'closed'
    closed.mkdir(mode=0o700)
    server.binary = str(shutil.copy2(BINARY, closed / 'mailwicket'))
    with server:
        server.add_account('alice')
        expect_nobodys(server)


def test_a_process_user_gets_missing_parents_too():
    need_root()
    server = Server(accounts=(), tables=f'[process]\nuser = "{NOBODY}"\n')
    open_to_nobody(server)
    server.config.write_text(server.config.read_text().replace('state = "state"', 'state = "var/lib/state"'))
    try:
        server.add_account('alice')
        uid = pwd.getpwnam(NOBODY).pw_uid
        equal({path.lstat().st_uid for path in entries(server.folder / 'var')}, {uid}, 'owners')
        server.start()
        equal(deliver(server).code, 250, 'mail')
    finally:
        server.stop()


def test_the_owner_of_an_empty_state_folder_runs_the_server():
    need_root()
    server = Server(accounts=())
    open_to_nobody(server)
    state = server.folder / 'state'
    state.mkdir()
    entry = pwd.getpwnam(NOBODY)
    os.chown(state, entry.pw_uid, entry.pw_gid)
    with server:
        server.add_account('alice')
        expect_nobodys(server)


def test_account_commands_of_root_leave_nothing_of_roots():
    need_root()
    server = Server(accounts=(), tables=f'[process]\nuser = "{NOBODY}"\n')
    open_to_nobody(server)
    uid = pwd.getpwnam(NOBODY).pw_uid
    try:
        server.add_account('alice')
        equal(owners(server), {uid}, 'owners after account add')
        server.start()
        server.terminate()
        server.command('account', 'passwd', f'alice@{DOMAIN}', stdin='another one\n')
        server.add_account('bob')
        equal(owners(server), {uid}, 'owners after account add beside an old store')
        server.start()
        expect_nobodys(server)
    finally:
        server.stop()


def test_what_root_left_in_the_state_folder_is_repaired():
    need_root()
    server = Server(accounts=('alice',))
    open_to_nobody(server)
    entry = pwd.getpwnam(NOBODY)
    state, outside = server.folder / 'state', server.folder / 'outside'
    try:
        equal(owners(server), {0}, 'owners to begin with')
        outside.write_text('of root')
        (state / 'mail/link').symlink_to(outside)
        os.link(outside, state / 'mail/second-name')
        os.chown(state, entry.pw_uid, entry.pw_gid)
        server.start()
        equal(outside.stat().st_uid, 0, 'owner of what a link leads to')
        equal((state / 'mail/link').lstat().st_uid, 0, 'owner of the link')
        (state / 'mail/link').unlink()
        (state / 'mail/second-name').unlink()
        check('root had left' in server.log_text(), f'no word of it: {server.log_text()}')
        expect_nobodys(server)
    finally:
        server.stop()


def test_a_state_folder_of_somebody_else_is_refused():
    need_root()
    server = Server(accounts=(), tables=f'[process]\nuser = "{NOBODY}"\n')
    open_to_nobody(server)
    state = server.folder / 'state'
    state.mkdir(mode=0o700)
    os.chown(state, 1, 1)
    try:
        result = server.command('serve', check_code=78)
        check('chown' in result.stderr and NOBODY in result.stderr, f'message: {result.stderr}')
        equal(owners(server), {1}, 'owners')
        result = server.command('account', 'add', f'alice@{DOMAIN}', stdin='secret one\n', check_code=78)
        check('chown' in result.stderr, f'message: {result.stderr}')
    finally:
        server.stop()
