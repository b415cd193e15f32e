"""The session that docs/tuning.md tells: a false refusal from the first suspicion to the test that keeps it from coming again."""
import json
import pathlib
import re
import shutil

from harness import MESSAGE, ROOT, Pop3, Server, Smtp, check, equal, mailbox_count, wait_until

ALICE = 'alice@example.test'
RULES = r'''
[thresholds]
junk = 5
reject = 6

[[pattern]]
id = "invoice"
in = "headers"
field = "subject"
match = '(?i)^invoice'

[[rule]]
id = "helo-unresolved"
when = 'helo.resolves == false'
points = 3

[[rule]]
id = "invoice"
when = 'pattern.invoice'
points = 6
why = "invoices are not taken"
fix = "Send a letter"
'''
ZONE = {
    ('good.test', 'TXT'): ['v=spf1 ip4:192.0.2.0/24 -all'],
    ('spam.test', 'TXT'): ['v=spf1 -all'],
}
INVOICE = MESSAGE.replace(b'Subject: hello', b'Subject: Invoice 7').replace(b'ann@sender.test', b'ann@good.test')


def send(server, address, sender, message):
    with Smtp(server) as client:
        client.become(address)
        client.hello('nowhere.test')
        return client.send_mail(sender, [ALICE], message)


def lines(server, *words, code=0):
    return [json.loads(line) for line in server.command(*words, '--json', check_code=code).stdout.splitlines()]


def reloaded(server):
    before = len(server.log_text())
    server.reload()
    wait_until(lambda: 'reloaded' in server.log_text()[before:], 'a word about the reload')
    check('not reloaded' not in server.log_text()[before:], server.log_text()[before:])


def test_a_false_refusal_from_suspicion_to_a_test():
    with Server(rules=RULES, zone=ZONE) as server:
        rules = server.folder / 'rules'
        equal(send(server, '192.0.2.7', 'ann@good.test', MESSAGE).code, 250, 'mail of the same sender before')
        spam = [send(server, f'203.0.113.{n}', 'x@spam.test', INVOICE).id for n in (5, 6)]
        refused = send(server, '192.0.2.7', 'ann@good.test', INVOICE)
        equal(refused.code, 550, 'the false refusal')
        wrong = refused.id

        # Found.
        *suspects, summary = lines(server, 'suspects')
        equal((suspects[0]['id'], summary['summary']['refusals']), (wrong, 3), 'the first suspect')
        check({'spf_aligned', 'sender_accepted', 'single_rule'} <= {sign['sign'] for sign in suspects[0]['signs']}, suspects[0])
        check(suspects[0]['weight'] > max(row['weight'] for row in suspects[1:]), suspects)
        check(wrong in server.command('suspects', '-n', '1').stdout, 'suspects as text')

        # Understood.
        told = server.explain(wrong)
        equal((told['rule'], told['points']), ('threshold:reject', 9), 'explain')
        story = server.command('explain', wrong).stdout
        for words in ('without the rule invoice', 'pattern.invoice', '9  in total: 3 + 6 = 9', 'For the sender'):
            check(words in ' '.join(story.split()) or words in story, f'no {words!r} in {story}')

        # An exception proposed, which writes nothing.
        proposal, = lines(server, 'allow', '--from', wrong)
        equal((proposal['kind'], proposal['when'], proposal['others'], proposal['written']),
              ('spf', 'spf.result == pass and mail.domain == "good.test"', 0, None), 'the proposal')
        equal(sorted(path.name for path in rules.iterdir()), ['rules.toml'], 'files of rules')

        # Judged: in a copy of the rules first.
        trial = server.folder / 'rules.new'
        shutil.copytree(rules, trial)
        said = server.command('allow', '--from', wrong, '--write', 'rules.new/00-exceptions.toml').stderr
        check('nothing reads it there' in said, said)
        *changed, summary = lines(server, 'whatif', '--rules', 'rules.new', '--budget', '1', '--budget-lost-ham', '0')
        equal([(one['id'], one['recipient'], one['old'], one['new']) for one in changed], [(wrong, ALICE, 'reject', 'accept')], 'whatif')
        equal((summary['summary']['changed'], summary['summary']['undecidable']), (1, 0), 'summary of whatif')

        # Written, and in force.
        exceptions = rules / '00-exceptions.toml'
        server.command('allow', '--from', wrong, '--write', str(exceptions))
        equal(exceptions.read_text(), (trial / '00-exceptions.toml').read_text(), 'the exception')
        server.command('rules', 'test')
        server.command('check')
        reloaded(server)
        equal(send(server, '192.0.2.9', 'bob@good.test', INVOICE).code, 250, 'the next one')
        equal(send(server, '203.0.113.7', 'x@spam.test', INVOICE).code, 550, 'what it was not meant for')

        # Released, once, into the mailbox of its owner.
        before = mailbox_count(server)
        equal(lines(server, 'release', wrong)[0]['delivered'], [ALICE], 'release')
        equal(lines(server, 'release', wrong)[0]['delivered'], [], 'a second release')
        equal(mailbox_count(server), before + 1, 'the mailbox')
        with Pop3(server) as pop:
            released = pop.messages()[-1]
        check(released.endswith(INVOICE.decode()) and f'id {wrong}' in re.sub(r'\r\n\s+', ' ', released), released)
        server.command('feedback', wrong, 'ham')
        equal(server.explain(wrong)['label']['label'], 'ham', 'the label')
        # It is no suspect any more.
        *suspects, summary = lines(server, 'suspects')
        check(wrong not in {row['id'] for row in suspects} and summary['summary']['judged'] == 1, f'{suspects} {summary}')
        equal(lines(server, 'suspects', '--judged')[0]['label'], server.explain(wrong)['label'], 'suspects --judged')
        check('ham, says' in server.command('suspects', '--judged', '-n', '1').stdout, 'suspects --judged as text')

        # Kept for ever as a test.
        said = server.command('export', wrong, '--output', f'rules/{wrong}.json').stderr
        block = said[said.index('[[test]]'):]
        # The rules let it in by now, and a comment tells what was said then.
        check(f'# It was reject then, by {lines(server, "explain", wrong)[0]["rule"]}; the rules in force say this.' in said, said)
        equal(block.count('verdict = "accept"'), 1, f'the verdict of now in {block}')
        (rules / '99-mistakes.toml').write_text(block)
        rows = lines(server, 'rules', 'test')
        check(wrong in {row.get('name') for row in rows}, f'the test was not run: {rows}')
        server.command('check')
        reloaded(server)
        # It fails as soon as the exception is gone, and no reload takes such rules.
        exceptions.rename(server.folder / 'gone')
        failed = server.command('rules', 'test', check_code=1)
        check(wrong in failed.stdout + failed.stderr, failed)
        before = len(server.log_text())
        server.reload()
        wait_until(lambda: 'not reloaded' in server.log_text()[before:], 'a refused reload')
        equal(send(server, '192.0.2.9', 'bob@good.test', INVOICE).code, 250, 'the exception stays in force')
        check(not set(spam) & {one['id'] for one in changed}, 'spam')


def test_the_session_of_the_documentation_is_this_one():
    """Every step of the test above is told."""
    text = (pathlib.Path(ROOT) / 'docs/tuning.md').read_text()
    chapter = text[text.index('## A whole session'):]
    chapter = chapter[:chapter.index('\n## ', 1)]
    commands = re.findall(r'^    \$ (mailwicket \S+|cp|\$EDITOR|kill|systemctl|cat|tee)', chapter, re.M)
    for wanted in ('suspects', 'explain', 'allow', 'whatif', 'release', 'feedback', 'export', 'rules'):
        check(f'mailwicket {wanted}' in commands, f'{wanted} is not told')
