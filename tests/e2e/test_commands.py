"""What every command owes its caller: exit codes, JSON Lines, outputs that are whole or fail, nothing left behind."""
import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time

from harness import DOMAIN, PASSWORD, Server, Smtp, check, deliver, equal, wait_until

ALICE = f'alice@{DOMAIN}'


class Folder(Server):
    """A server that is configured but not started; gone after `with`."""

    def __enter__(self):
        return self


def objects(text):
    """JSON Lines: an object a line and nothing else."""
    found = [json.loads(line) for line in text.splitlines()]
    check(all(isinstance(one, dict) for one in found), f'not all are objects: {text}')
    return found


def error_of(result, code):
    """The message of a command that failed under --json and printed nothing else."""
    equal(result.returncode, code, f'exit code of {result.args}, with {result.stdout}{result.stderr}')
    equal(result.stdout, '', 'standard output')
    last = objects(result.stderr)[-1]
    check(last.get('error') and last.get('code'), f'no error in {result.stderr}')
    return last


def test_output_that_cannot_be_written_is_an_error():
    with Server() as server:
        identifier = deliver(server).id
        for words in (['log'], ['log', '--json'], ['explain', identifier], ['explain', identifier, '--json'], ['facts'], ['check'], ['--help'],
                      ['account', 'list'], ['account', 'list', '--json'], ['status'], ['verify', '--json'], ['check', '--limits'], ['rules', 'test']):
            with open('/dev/full', 'w', encoding='ascii') as full:
                config = [] if words == ['--help'] else ['-c', str(server.config)]
                result = subprocess.run([server.binary, *words, *config], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            equal(result.returncode, 75, f'exit code of {words} to a full disk, with {result.stderr}')
            check('No space left' in result.stderr and 'terminate' not in result.stderr, f'{words} says {result.stderr}')


def test_a_reader_that_goes_away_is_no_error():
    with Server() as server:
        with Smtp(server) as client:
            client.hello()
            for _ in range(30):
                equal(client.send_mail('ann@sender.test', [ALICE]).code, 250, 'reply')
        for ignores in (False, True):  # as a shell starts programs, and as a service manager may
            read, write = os.pipe()
            handler = signal.SIG_IGN if ignores else signal.SIG_DFL
            with subprocess.Popen([server.binary, 'log', '--json', '-c', str(server.config)], stdout=write, stderr=subprocess.PIPE, text=True,
                                  preexec_fn=lambda: signal.signal(signal.SIGPIPE, handler), restore_signals=False) as child:
                os.close(read)
                os.close(write)
                words = child.stderr.read()
            equal(words, '', 'standard error')
            check(child.returncode in (0, -signal.SIGPIPE), f'exit code {child.returncode}')


def test_every_command_speaks_json():
    with Server(accounts=()) as server:
        def ask(*words, **options):
            return objects(server.command(*words, '--json', **options).stdout)
        equal(ask('account', 'add', ALICE, stdin=PASSWORD + '\n'), [{'address': ALICE, 'result': 'added'}], 'add')
        equal(ask('account', 'passwd', ALICE, stdin='another one\n'), [{'address': ALICE, 'result': 'changed'}], 'passwd')
        equal([row['address'] for row in ask('account', 'list')], [ALICE], 'list')
        identifier = deliver(server).id
        equal(ask('verify'), [{'summary': {'messages': 1, 'faults': 0}}], 'verify')
        summary = ask('check')[-1]['summary']
        check(summary['errors'] == 0 and summary['rules_hash'], f'check: {summary}')
        check(any('limit' in one for one in ask('check', '--limits')), 'check --limits')
        equal(ask('rules', 'test')[-1], {'summary': {'passed': 0, 'failed': 0}}, 'rules test')
        equal(ask('explain', identifier)[0]['id'], identifier, 'explain')
        equal(ask('log')[0]['id'], identifier, 'log')
        check(ask('facts')[0]['name'], 'facts')
        equal(ask('status')[0]['front_pid'], server.pid(), 'status')
        equal(ask('account', 'delete', ALICE), [{'address': ALICE, 'result': 'deleted'}], 'delete')


def test_serve_speaks_json():
    with Folder() as server, tempfile.TemporaryFile('w+') as log:
        child = subprocess.Popen([server.binary, 'serve', '--json', '-c', str(server.config)], stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            lines = []
            while not lines or 'ready' not in lines[-1]:
                lines.append(child.stdout.readline())
            child.terminate()
            equal(child.wait(40), 0, 'exit code')
        finally:
            child.kill()
            child.stdout.close()
        events = objects(''.join(lines))
        equal([one['event'] for one in events], ['listening', 'listening', 'ready'], 'events')
        equal(events[0]['service'], 'smtp', 'service')
        check(int(events[0]['address'].rsplit(':', 1)[1]) > 0, f'address: {events[0]}')
        log.seek(0)
        check(objects(log.read()), 'no log')


def test_errors_under_json_are_objects():
    with Server(accounts=('alice',)) as server:
        def fail(*words, code, **options):
            return error_of(server.command(*words, '--json', check_code=None, **options), code)
        equal(fail('account', 'delete', f'nobody@{DOMAIN}', code=67)['code'], 'not_found', 'code')
        equal(fail('account', 'passwd', f'nobody@{DOMAIN}', code=67, stdin='x y z\n')['code'], 'not_found', 'code')
        equal(fail('account', 'add', ALICE, code=73, stdin='x y z\n')['code'], 'exists', 'code')
        fail('account', 'add', 'bogus', code=64, stdin='x\n')
        fail('account', 'add', code=64)
        fail('account', 'add', f'bob@{DOMAIN}', code=64)  # no password
        fail('account', 'frobnicate', code=64)
        fail('explain', '0' * 20, code=1)
        fail('explain', 'what', code=1)
        fail('log', 'verdct:accept', code=64)
        fail('log', '--since', 'never', code=64)
        server.terminate()
        fail('status', code=69)
        good = server.config.read_text()
        server.config.write_text(good + '\nbogus = 1\n')
        for words in (['log'], ['explain', '0' * 20], ['status'], ['verify'], ['account', 'list'], ['account', 'delete', ALICE], ['rules', 'test']):
            fail(*words, code=78)
        found = objects(server.command('check', '--json', check_code=78).stdout)
        equal(found[-1], {'summary': {'errors': 1, 'warnings': 0}}, 'check')
        check('bogus' in found[0]['message'] and found[0]['severity'] == 'error', f'check: {found}')


def test_check_warns_of_a_key_that_everybody_may_read():
    with Folder(accounts=()) as server:
        key = server.folder / 'cert.key'
        for mode, warnings in ((0o600, 0), (0o640, 0), (0o644, 1), (0o604, 1)):
            key.chmod(mode)
            found = objects(server.command('check', '--json').stdout)
            equal(found[-1]['summary']['errors'], 0, f'errors at mode {mode:o}')
            said = [row for row in found[:-1] if 'may read' in row['message']]
            equal(len(said), warnings, f'warnings at mode {mode:o}')
            for row in said:
                line = server.config.read_text().splitlines()[row['line'] - 1]
                equal((row['severity'], line), ('warning', 'key = "cert.key"'), 'the warning')
                check(f'every user of this machine may read {key}: chmod o= it' in row['message'], f'{row}')
        text = server.command('check')
        check('warning: every user' in text.stdout + text.stderr, 'the warning as text')


def test_exit_codes_without_a_store_or_a_configuration():
    with Folder(accounts=()) as server:
        for words in (['log'], ['verify'], ['explain', '0' * 20]):
            result = server.command(*words, check_code=69)
            check('there is no store' in result.stderr, f'{words}: {result.stderr}')
        missing = subprocess.run([server.binary, 'facts', '-c', '/nonexistent'], capture_output=True, text=True, timeout=60)
        equal(missing.returncode, 78, f'exit code of facts without a configuration, with {missing.stderr}')
        check('client.ip' in missing.stdout, 'facts without a configuration')
        if not os.path.exists('/etc/mailwicket/mailwicket.toml'):
            nowhere = {k: v for k, v in os.environ.items() if k != 'MAILWICKET_CONFIG'}
            told = subprocess.run([server.binary, 'facts'], capture_output=True, text=True, timeout=60, env=nowhere)
            equal((told.returncode, told.stderr), (0, ''), 'facts where nothing is configured')
        check(not (server.folder / 'state').exists(), 'asking made a store')
        text = subprocess.run([server.binary, '--help'], capture_output=True, text=True, timeout=60).stdout
        for code in ('64', '69', '70', '75', '78'):
            check(code in text, f'--help says nothing about {code}')


def test_asking_for_accounts_makes_no_store_and_a_new_store_is_no_error():
    with Folder(accounts=()) as server:
        result = server.command('account', 'list')
        equal((result.stdout, result.stderr), ('', ''), 'a list without a store')
        check(not (server.folder / 'state').exists(), 'asking made a store')
        result = server.command('account', 'add', ALICE, stdin=PASSWORD + '\n')
        equal(result.stderr, '', 'standard error of the first account add')
        equal(server.command('account', 'list').stdout, ALICE + '\n', 'list')
    with Server(accounts=()) as server:
        check('error' not in server.log_text(), f'errors in the log of a first start: {server.log_text()}')


def wait_for_line(child):
    line = child.stdout.readline()
    check(line, 'the follower ended')
    return line


def test_a_reader_that_is_stopped_leaves_nothing_behind():
    with Server() as server, tempfile.TemporaryDirectory() as temporary:
        equal(deliver(server).code, 250, 'reply')
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            child = subprocess.Popen([server.binary, 'log', '-f', '--json', '-c', str(server.config)], stdout=subprocess.PIPE, text=True,
                                     env=dict(os.environ, TMPDIR=temporary))
            wait_for_line(child)
            child.send_signal(number)
            child.wait(60)
            child.stdout.close()
            equal(os.listdir(temporary), [], f'left behind after signal {number}')


def test_the_log_is_read_at_low_priority():
    library = ctypes.CDLL(None, use_errno=True)
    with Server() as server:
        equal(deliver(server).code, 250, 'reply')
        child = subprocess.Popen([server.binary, 'log', '-f', '-c', str(server.config)], stdout=subprocess.PIPE, text=True)
        try:
            wait_for_line(child)
            check(os.getpriority(os.PRIO_PROCESS, child.pid) >= 10, f'nice {os.getpriority(os.PRIO_PROCESS, child.pid)}')
            equal(library.syscall(252, 1, child.pid) >> 13, 3, 'class of input and output')  # ioprio_get: 3 is idle
        finally:
            child.kill()
            child.wait()
            child.stdout.close()


def test_a_state_folder_with_a_long_path():
    long = '/'.join(['a-folder-with-a-long-name-' + 'x' * 60] * 3)
    with Folder(accounts=()) as server:
        server.config.write_text(server.config.read_text().replace('state = "state"', f'state = "{long}"'))
        server.command('check')
        server.add_account('alice')
        server.start()
        try:
            server.add_account('bob')
            equal(json.loads(server.command('status', '--json').stdout)['front_pid'], server.pid(), 'status')
            equal(deliver(server, recipients=[f'bob@{DOMAIN}']).code, 250, 'mail for an account that the server was told of')
            check((server.folder / long / 'control.sock').is_socket(), 'no socket in the state folder')
        finally:
            server.terminate()
        check(not (server.folder / long / 'control.sock').exists(), 'the socket is left')
        result = server.command('status', check_code=69)
        check('no server is running' in result.stderr, f'status: {result.stderr}')


RULES = """[thresholds]
junk = 3
[[list]]
name = "partners"
kind = "ip"
file = "partners.txt"
[[rule]]
id = "from-partner"
when = 'client.ip in list(partners)'
then = "tag"
scope = { domains = ["example.test"] }
[[override]]
recipients = ["postmaster@*"]
worst = "junk"
modes = { from-partner = "off" }
[[test]]
name = "a partner is tagged"
given = { "client.ip" = "192.0.2.1", "rcpt.domain" = "example.test" }
expect = { verdict = "accept" }
"""


def test_rules_show_is_one_table_with_places():
    with Folder(rules=RULES) as server:
        rules = server.folder / 'rules'
        (rules / 'partners.txt').write_text('192.0.2.0/24\n198.51.100.1 expires=2099-01-01\n')
        rows = {(row['kind'], row['check']): row for row in objects(server.command('rules', 'show', '--json').stdout)}
        equal(rows['threshold', 'junk'] | {'detail': ''}, {'kind': 'threshold', 'check': 'junk', 'stage': 'end', 'points': '3', 'action': 'junk', 'mode': '',
                                                           'scope': '', 'origin': f'{rules}/rules.toml:1', 'detail': ''}, 'a threshold')
        equal(rows['list', 'partners']['detail'], f'ip, 2 entries of {rules}/partners.txt', 'a list')
        rule = rows['rule', 'from-partner']
        equal([rule[key] for key in ('stage', 'action', 'mode', 'scope', 'origin', 'detail')],
              ['end', 'header X-Mailwicket-Tag', 'enforce', 'domains example.test', f'{rules}/rules.toml:8', 'client.ip in list(partners)'], 'a rule')
        override = rows['override', '']
        equal([override[key] for key in ('action', 'mode', 'scope')], ['worst junk', 'from-partner off', 'recipients postmaster@*'], 'an override')
        table = server.command('rules', 'show').stdout.splitlines()
        equal(table[0].split(), ['kind', 'check', 'stage', 'points', 'action', 'mode', 'scope', 'origin', 'detail'], 'the head')
        equal(len(table), len(rows) + 1, 'rows')


def test_check_tells_mistakes_of_configuration_rules_and_lists_in_one_run():
    with Folder(rules=RULES.replace('list(partners)', 'list(partner)') + '[[rule]]\nid = "old"\nwhen = \'spf.result == fail\'\npoints = 1\nexpires = 2001-01-31\n') as server:
        (server.folder / 'rules/partners.txt').write_text('192.0.2.0/24\n  192.0.2.1/24\n')
        server.config.write_text(server.config.read_text() + '\nbogus = 1\n')
        result = server.command('check', '--json', check_code=78)
        said = [one for one in objects(result.stdout) if 'summary' not in one]
        places = [(one['file'].rsplit('/', 1)[-1], one['line'], one['column']) for one in said if one['severity'] == 'error']
        check(('rules.toml', 9, 27) in places and ('partners.txt', 2, 3) in places, f'{places}')
        check(any(place[0] == 'mailwicket.toml' for place in places), f'{places}')
        ordered = [(one['file'], one['line'], one['column']) for one in said]
        equal(ordered, sorted(ordered), 'the order')


def test_a_list_that_changes_is_read_again():
    rules = RULES.replace('then = "tag"', 'then = "reject"').replace('worst = "junk"\n', '') + '[[rule]]\nid = "x"\nwhen = \'false or mail.is_null\'\npoints = 1\n'
    rules = rules.replace('expect = { verdict = "accept" }', 'expect = { verdict = "reject" }')
    with Folder(rules=rules) as server:
        partners = server.folder / 'rules/partners.txt'
        partners.write_text('192.0.2.0/24\n')
        server.start()
        equal(deliver(server).code, 250, 'a stranger')
        partners.write_text('198.51.100.0/24\n192.0.2.0/24\n')
        wait_until(lambda: deliver(server).code == 550, 'the new entry')
        seen = len(server.log_text())
        partners.write_text('198.51.100.0/24\nrubbish\n')
        wait_until(lambda: 'not reloaded' in server.log_text()[seen:], 'a word about the bad line')
        check('partners.txt:2:1' in server.log_text()[seen:], server.log_text()[seen:])
        time.sleep(5)
        equal(server.log_text()[seen:].count('not reloaded'), 1, 'it is told once')
        equal(deliver(server).code, 550, 'the old list')
        replaced = partners.with_name('new')
        replaced.write_text('192.0.2.0/24\n')
        replaced.rename(partners)
        wait_until(lambda: deliver(server).code == 250, 'the list that came in its place')


def test_a_failing_test_keeps_old_rules_but_no_server_from_starting():
    wrong = '[[test]]\nname = "wrong"\ngiven = { }\nexpect = { verdict = "reject" }\n'
    with Folder(rules='') as server:
        path = server.folder / 'rules/rules.toml'
        path.write_text(wrong)
        result = server.command('check', check_code=78)
        check('fail their test "wrong"' in result.stderr, result.stderr)
        server.start()
        check('fail their test "wrong"' in server.log_text(), server.log_text())
        equal(deliver(server).code, 250, 'mail')
        seen = len(server.log_text())
        server.reload()
        wait_until(lambda: 'not reloaded' in server.log_text()[seen:], 'a word about the test')
        path.write_text('')
        server.reload()
        wait_until(lambda: '"reloaded"' in server.log_text()[seen:] or ' reloaded' in server.log_text()[seen:].replace('not reloaded', ''), 'the reload')


def test_no_rule_removes_an_invariant():
    accept = '[[rule]]\nid = "all"\nwhen = \'true\'\nthen = "accept"\nat = "connect"\n'
    with Server([{'service': 'smtp', 'xclient': ['127.0.0.0/8'], 'limits': {'size': 65536}}], rules=accept) as server:
        equal(deliver(server, recipients=['x@elsewhere.test']).code, 550, 'relaying')
        equal(deliver(server, recipients=[f'nobody@{DOMAIN}']).code, 550, 'an unknown recipient')
        equal(deliver(server, message=b'Subject: x\r\n\r\n' + (b'x' * 70 + b'\r\n') * 2000 + b'\r\n').code, 552, 'the size limit')
        equal(deliver(server).code, 250, 'what is left')
        equal(server.log(f'to:nobody@{DOMAIN}')[-1]['rule'], 'builtin:unknown-user', 'who decided')
    refuse = '[[rule]]\nid = "none"\nwhen = \'true\'\nthen = "reject"\nat = "connect"\n'
    with Server(rules=refuse, accounts=('alice', 'postmaster')) as server:
        equal(deliver(server).code, 550, 'alice')
        equal(deliver(server, recipients=[f'Postmaster@{DOMAIN}']).code, 250, 'postmaster')


def test_a_plus_sign_is_no_part_of_an_account():
    with Folder(accounts=()) as server:
        result = server.command('account', 'add', f'bob+junk@{DOMAIN}', '--json', stdin=PASSWORD + '\n', check_code=64)
        message = error_of(result, 64)['error']
        check('a plus sign begins a tag' in message and f'goes to bob@{DOMAIN}' in message, message)
        server.command('account', 'delete', f'bob+junk@{DOMAIN}', check_code=67)


def test_numbers_of_options_have_bounds():
    with Folder() as server:
        for words in (['whatif', '--budget', '-1'], ['whatif', '--budget=-1'], ['whatif', '--budget-lost-ham', '-1'],
                      ['whatif', '--budget', '18446744073709551616'], ['allow', '--from', '1OMP6CV5GK5G2H8A0000', '-n', '-1'],
                      ['suspects', '-n', '-1'], ['log', '--by', 'fact:nosuch'], ['log', '--by', 'fact:spf.*']):
            error_of(server.command(*words, '--json', check_code=64), 64)
