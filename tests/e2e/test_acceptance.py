"""What a person at the keyboard does: read the story of a decision, find a mistake in a file, use the commands."""
import json
import re
import signal

from harness import PASSWORD, Pop3, Server, Smtp, check, deliver, equal, mailbox_count, make_certificate, wait_until
from test_dns import LISTS, RULES, ZONE


def test_3_check_finds_every_kind_of_mistake():
    base = RULES + '\n[[rule]]\nid = "own"\nwhen = \'spf.result == fail and dnsbl.one has bad\'\nthen = "reject"\nwhy = "no"\n'
    mistakes = {
        'a misspelt key': (base.replace('points =', 'pionts =', 1), 'points'),
        'a misspelt fact': (base.replace("'spf.result == fail'", "'spf.resutl == fail'"), 'spf.result'),
        'a misspelt enum value': (base.replace("'spf.result == fail'", "'spf.result == fial'"), 'fail'),
        'a repeated rule id': (base + '\n[[rule]]\nid = "own"\npoints = { \'spf.result == pass\' = 1 }\n', 'own'),
        'an undefined list': (base.replace('dnsbl.one has bad\'\nthen', 'dnsbl.oen has bad\'\nthen'), 'dnsbl.one'),
        'a misspelt code': (base.replace('dnsbl.one has bad\'\nthen', 'dnsbl.one has bda\'\nthen'), 'bad'),
        'a misspelt action': (base.replace('then = "reject"', 'then = "rejcet"'), 'reject'),
        'a misspelt section': (base.replace('[thresholds]', '[threshold]'), 'thresholds'),
        'a syntax error': (base.replace('id = "own"', 'id = "own'), ''),
    }
    server = Server(rules=base, zone=ZONE)
    try:
        server.command('check')
        for name, (text, suggestion) in mistakes.items():
            check(text != base, f'{name}: the test does not change the file')
            (server.folder / 'rules/rules.toml').write_text(text)
            result = server.command('check', check_code=78)
            said = result.stdout + result.stderr
            check(re.search(r'rules\.toml:\d+:\d+', said), f'{name}: no place in {said!r}')
            check(suggestion in said, f'{name}: no suggestion of {suggestion!r} in {said!r}')
        (server.folder / 'rules/rules.toml').write_text(base)
        for old, new, suggestion in (('hostname', 'hostnmae', 'hostname'), ('service = "smtp"', 'service = "smpt"', 'smtp'),
                                     ('rules = "rules"', 'rules = "ruels"', 'ruels'), ('forward', 'froward', 'forward')):
            text = server.config.read_text()
            server.config.write_text(text.replace(old, new, 1))
            result = server.command('check', check_code=78)
            said = result.stdout + result.stderr
            check(re.search(r'mailwicket\.toml:\d+:\d+', said), f'{new}: no place in {said!r}')
            check(suggestion in said, f'{new}: no suggestion in {said!r}')
            server.config.write_text(text)
        (server.folder / 'aliases.txt').write_text('staff nobody@elsewhere.test\n')
        server.config.write_text(server.config.read_text() + 'aliases = "aliases.txt"\n')
        said = server.command('check', check_code=78)
        check(re.search(r'aliases\.txt:1', said.stdout + said.stderr), f'aliases: {said.stderr}')
        server.config.write_text(server.config.read_text().replace('"aliases.txt"', '"alias.txt"'))
        said = server.command('check', check_code=78)
        check('alias.txt' in said.stdout + said.stderr, f'missing list file: {said.stderr}')
    finally:
        server.stop()


def test_check_shows_limits():
    server = Server()
    try:
        text, pop3 = server.command('check', '--limits').stdout.split('pop3 ')
        for limit in ('per_ip', 'total', 'recipients', 'size', 'errors', 'header', 'line', 'hops', 'memory', 'spool'):
            check(limit in text, f'{limit} is not in {text!r}')
        check('per_ip' in pop3 and 'hops' not in pop3, f'POP3: {pop3!r}')
    finally:
        server.stop()


def test_check_looks_at_the_machine_around_the_configuration():
    """Users, certificates and accounts; each mistake has its place."""
    server = Server(accounts=('alice',), aliases='postmaster alcie\nstaff nosuch@example.test\n')
    try:
        for running in (False, True):
            if running:
                server.start()
            said = server.command('check', check_code=78).stderr
            check(re.search(r'aliases\.txt:1:12: error: .*alice@example\.test', said), f'{running}: {said!r}')
            check(re.search(r'aliases\.txt:2:7: error', said), f'{running}: {said!r}')
        # A running server says so and goes on: an account may be deleted at any time.
        check('there is no account alcie@example.test' in server.log_text(), 'the log of the start')
        equal(deliver(server, recipients=['staff@example.test']).code, 550, 'mail for an alias that leads nowhere')
        check('an alias names an account that does not exist; alias=<staff@example.test>' in server.log_text(), 'the log of the mail')
        equal(json.loads(server.command('status', '--json').stdout)['missing_alias_targets'], 1, 'count')
        # What is newly written is another matter: the old aliases stay.
        (server.folder / 'aliases.txt').write_text('postmaster alcie\nstaff nosuch@example.test\nsales alise\n')
        server.reload()
        wait_until(lambda: 'not reloaded' in server.log_text(), 'a word about the reload')
        check(re.search(r'aliases\.txt:3:7: error: there is no account alise@example\.test', server.log_text()), server.log_text())
        (server.folder / 'aliases.txt').write_text('postmaster alcie\nstaff nosuch@example.test\n*@example.test alice\n')
        server.reload()
        wait_until(lambda: deliver(server, recipients=['anybody@example.test']).code == 250, 'the catch-all, written as an address')
        (server.folder / 'aliases.txt').write_text('postmaster alice\n')
        server.command('check')
        good = server.config.read_text()
        server.config.write_text(good + '\n[process]\nuser = "nosuchuser"\n')
        said = server.command('check', check_code=78).stderr
        check(re.search(r'mailwicket\.toml:\d+:8: error: there is no user nosuchuser', said), said)
        (server.folder / 'other').mkdir()
        make_certificate(server.folder / 'other')
        server.config.write_text(good.replace('key = "cert.key"', 'key = "other/cert.key"'))
        said = server.command('check', check_code=78).stderr
        check(re.search(r'mailwicket\.toml:\d+:7: error: .*cert\.key', said), said)
        server.config.write_text(good)
        server.command('check')
    finally:
        server.stop()
    server = Server(accounts=(), aliases='postmaster alice\n')
    try:
        said = server.command('check').stderr
        check('aliases.txt: warning: whether the accounts' in said, f'without a store: {said!r}')
        check(not (server.folder / 'state').exists(), 'check made a store')
    finally:
        server.stop()


def test_a_reload_with_mistakes_is_lines_of_the_log():
    with Server(rules=RULES, zone=ZONE) as server:
        before = len(server.log_text())
        (server.folder / 'rules/rules.toml').write_text(RULES.replace("'spf.result == fail'", "'spf.resutl == fail'"))
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: 'not reloaded' in server.log_text()[before:], 'the log')
        lines = server.log_text()[before:].splitlines()
        check(all(re.match(r'\d{4}-\d\d-\d\dT[\d:.]+Z mailwicket\[\d+\]: ', line) for line in lines), f'lines: {lines}')
        check(any(re.search(r'rules\.toml:\d+:\d+: error: unknown fact "spf\.resutl"; did you mean "spf\.result"\?', line)
                  for line in lines), f'no mistake in {lines}')
        (server.folder / 'rules/rules.toml').write_text(RULES)
        server.config.write_text(server.config.read_text().replace('xclient = ["127.0.0.0/8"]', 'xclient = ["127.0.0.0/8"]\n[listen.limits]\nsize = "7M"'))
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: 'only a restart changes' in server.log_text(), 'the log')
        check('limits.size' in server.log_text(), 'the key')


def test_accounts_are_managed_with_and_without_the_server():
    server = Server(accounts=())
    try:
        server.add_account('carol')
        equal(server.command('account', 'list').stdout.split()[:1], ['carol@example.test'], 'list')
        server.start()
        server.add_account('dave')
        equal(deliver(server, recipients=['dave@example.test']).code, 250, 'mail for a new account')
        server.command('account', 'passwd', 'dave@example.test', stdin='another one\n')
        equal(mailbox_count(server, 'carol@example.test'), 0, 'messages')
        with Pop3(server, login=False) as pop:
            pop.expect('USER dave@example.test')
            check(pop.ask(f'PASS {PASSWORD}').startswith('-ERR'), 'the old password')
        with Pop3(server, 'dave@example.test', 'another one') as pop:
            equal(pop.count(), 1, 'messages')
        server.command('account', 'delete', 'dave@example.test')
        equal(deliver(server, recipients=['dave@example.test']).code, 550, 'mail for a deleted account')
        server.command('account', 'delete', 'dave@example.test', check_code=67)
        server.command('account', 'passwd', 'dave@example.test', stdin='x\n', check_code=67)
        server.command('account', 'add', 'carol@example.test', stdin='x\n', check_code=73)
        row = json.loads(server.command('account', 'list', '--json').stdout)
        equal(row['address'], 'carol@example.test', 'account')
        check(re.fullmatch(r'20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z', row['created']), f'created: {row}')
        check(server.command('account', 'add', 'bogus', stdin='x\n', check_code=None).returncode != 0, 'an account without a domain')
        equal(server.command('nonsense', check_code=None).returncode, 64, 'an unknown command')
    finally:
        server.stop()


def test_log_and_explain_tell_the_same_story():
    with Server(rules=RULES, zone=ZONE) as server:
        good = deliver(server)
        bad = deliver(server, client='203.0.113.66')
        records = wait_until(lambda: (lambda found: found if len(found) >= 2 else None)(
            [r for r in server.log() if r['id'] in (good.id, bad.id)]), 'both decisions in the log')
        equal([r['id'] for r in records], [good.id, bad.id], 'newest last')
        equal([r['id'] for r in server.log('verdict:reject')], [bad.id], 'verdict:reject')
        equal([r['id'] for r in server.log('ip:203.0.113.0/24')], [bad.id], 'ip:')
        equal([r['id'] for r in server.log('-verdict:accept', '-fact:spf.result=none')], [bad.id], 'turned round')
        server.command('log', '-verdct:accept', check_code=64)
        equal([r['id'] for r in server.log('from:*@sender.test', 'verdict:accept')], [good.id], 'from:')
        check('dns' not in records[0], 'log --json prints the DNS')
        full = server.explain(bad.id)
        for key in ('id', 'time', 'verdict', 'stage', 'rule', 'reply', 'points', 'hits', 'recipients', 'facts', 'dns', 'client', 'from', 'to',
                    'size', 'rules_hash'):
            check(key in full, f'{key} is not in the record')
        equal(full['points'], 15, 'points')
        equal(sorted(hit['rule'] for hit in full['hits'] if hit['points']), ['one-bad', 'spf-fail', 'two-bad'], 'hits')
        check(re.match(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$', full['time']), full['time'])
        equal(full['client']['ip'], '203.0.113.66', 'client.ip')
        story = server.command('explain', bad.id).stdout
        for word in ('one-bad', 'two-bad', '203.0.113.66', 'rules.toml:', '550'):
            check(word in story, f'{word} is not in the story:\n{story}')
        text = server.log_text()
        check(f'id={bad.id}' in text and 'reject' in text, 'the log has no line of it')
        identifiers = [bad.id, good.id]
        server.terminate()
        equal([r['id'] for r in server.log() if r['id'] in identifiers], [good.id, bad.id], 'the log without the server')


def test_shadow_mode_takes_everything_and_says_what_it_would_have_done():
    with Server(rules=RULES, zone=ZONE, tables='[policy]\nmode = "shadow"\n') as server:
        reply = deliver(server, client='203.0.113.66')
        equal(reply.code, 250, 'reply')
        record = server.explain(reply.id)
        # What was done is in the reply and the mailbox; what would have been done in verdict and rule.
        equal((record['reply']['code'], record['recipients'][0]['mailbox']), (250, 'INBOX'), 'what was done')
        equal((record['verdict'], record['rule']), ('reject', 'threshold:reject'), 'what would have been done')
        equal(mailbox_count(server), 1, 'messages')
        check(any(hit['rule'] == 'one-bad' for hit in record['hits']), 'the hits are gone')
        equal(deliver(server, recipients=['nobody@example.test']).code, 550, 'an unknown user')


def test_rules_answer_at_rcpt_and_postmaster_stays_reachable():
    rules = '[thresholds]\njunk = 5\nreject = 12\n' + LISTS + '''
[[rule]]
id = "listed"
when = 'dnsbl.one has bad'
then = "reject"
why = "{client.ip} is listed"
fix = "ask the list"

[[override]]
recipients = ["postmaster@*"]
worst = "junk"
'''
    with Server(rules=rules, zone=ZONE) as server, Smtp(server) as client:
        client.become('203.0.113.66')
        client.hello()
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        reply = client.ask('RCPT TO:<alice@example.test>')
        equal(reply.code, 550, 'reply')
        check('203.0.113.66 is listed' in reply.text, f'{reply}')
        equal(client.ask('RCPT TO:<postmaster@example.test>').code, 250, 'postmaster')


def test_the_log_is_one_line_an_event_whatever_peers_send():
    with Server(extra='') as server:
        evil = 'a\x1b[31m\x07\x08'
        with Smtp(server) as client:
            client.ask(f'EHLO {evil}'.encode())
            client.ask('EHLO ' + 'x' * 1500)
            client.ask('EHLO x.test')
            client.ask('MAIL FROM:<"a\\\x01b"@sender.test>')
            client.ask('RCPT TO:<"\x7f"@example.test>')
        deliver(server, message=b'From: \x1b]0;x\x07 <a@b.test>\r\nSubject: \xe2\x80\xae\r\n\r\n' + b'x\r\n')
        for line in server.log_text().splitlines():
            check(not re.search(r'[\x00-\x08\x0b-\x1f\x7f]', line), f'{line!r}')
            check(len(line) < 8192, f'a line of {len(line)} octets')


def test_facts_prints_the_dictionary():
    server = Server(rules=RULES, zone=ZONE)
    try:
        rows = [json.loads(line) for line in server.command('facts', '--json').stdout.splitlines()]
        names = {row['name'] for row in rows}
        check({'client.ip', 'spf.result', 'dkim.pass', 'dnsbl.one', 'time.now'} <= names, f'{sorted(names)}')
    finally:
        server.stop()
