// What the rules say of a recipient, and how often an unknown has deferred the same before.
#include "server/server_visit.hpp"

namespace wicket {

namespace {

// As many as facts_for() adds.
constexpr std::size_t recipient_fact_count = 7;

}  // namespace

Facts ServerVisit::facts_for(const VisitRecipient& recipient) const {
    Facts facts(run_.facts(), recipient_fact_count);
    facts.set(id_of(CoreFact::rcpt_address), recipient.address);
    facts.set(id_of(CoreFact::rcpt_domain), recipient.domain);
    facts.set(id_of(CoreFact::rcpt_local_part), recipient.local_part);
    facts.set(id_of(CoreFact::rcpt_count), static_cast<std::int64_t>(transaction_->asked_count));
    facts.set(id_of(CoreFact::rcpt_unknown_count), static_cast<std::int64_t>(unknown_recipients_));
    if (recipient.deferrals) facts.set(id_of(CoreFact::deferred_envelope), *recipient.deferrals);
    if (recipient.greylist_age) facts.set(id_of(CoreFact::greylist_age), *recipient.greylist_age);
    return facts;
}

FactsSnapshot ServerVisit::changing_facts() const {
    auto facts = std::make_shared<Facts>();
    facts->set(id_of(CoreFact::rcpt_count), static_cast<std::int64_t>(transaction_->asked_count));
    facts->set(id_of(CoreFact::rcpt_unknown_count), static_cast<std::int64_t>(unknown_recipients_));
    facts->set(id_of(CoreFact::client_behaviour), run_.facts().get(id_of(CoreFact::client_behaviour)));
    return facts;
}

bool ServerVisit::passes(const Verdict& verdict) const {
    return verdict.lets_pass() || policy_->config->is_policy_shadow;
}

Verdict ServerVisit::judge(VisitRecipient& recipient, Stage stage) {
    Verdict verdict = decide(*policy_->rules, facts_for(recipient), stage);
    // Looked up only here: hardly any mail is deferred, and this may read from the disk.
    if (verdict.action == Action::greylist && !recipient.greylist_age) {
        const std::string key = Greylist::key_of(peer_.ip, sender_text(), recipient.address);
        recipient.greylist_age = greylist_.age(key);
        if (recipient.greylist_age.value_or(0) >= greylist_delay.count()) greylist_.keep(key);
        verdict = decide(*policy_->rules, facts_for(recipient), stage);
    }
    if (!defers_for_unknown(verdict)) return verdict;
    if (!recipient.deferrals)
        recipient.deferrals =
            deferrals_.count(Deferrals::envelope_key(peer_.ip, sender_text(), recipient.address));
    if (stage == Stage::end && !transaction_->deferrals) {
        transaction_->deferrals = deferrals_.count(message_try_key());
        run_.provide(id_of(CoreFact::deferred_message), *transaction_->deferrals);
    }
    return decide(*policy_->rules, facts_for(recipient), stage);
}

Verdict ServerVisit::judge_connection(Stage stage) {
    Verdict verdict = decide(*policy_->rules, run_.facts(), stage);
    if (!defers_for_unknown(verdict)) return verdict;
    run_.provide(
        id_of(CoreFact::deferred_envelope),
        deferrals_.count(Deferrals::envelope_key(peer_.ip, sender_text(), ""))
    );
    return decide(*policy_->rules, run_.facts(), stage);
}

std::string ServerVisit::sender_text() const {
    return transaction_ && transaction_->from ? transaction_->from->to_string() : std::string();
}

void ServerVisit::count_try(const Verdict& verdict, std::string_view recipient) {
    if (verdict.action == Action::greylist)
        greylist_.begin(Greylist::key_of(peer_.ip, sender_text(), recipient));
    if (defers_for_unknown(verdict))
        deferrals_.add(
            verdict.stage == Stage::end ? message_try_key()
                                        : Deferrals::envelope_key(peer_.ip, sender_text(), recipient)
        );
}

std::string ServerVisit::message_try_key() const {
    std::vector<std::string> recipients;
    for (const VisitRecipient& recipient : transaction_->accepted)
        recipients.push_back(recipient.address);
    return Deferrals::message_key(
        peer_.ip, sender_text(), std::move(recipients), transaction_->message_sha256
    );
}

}  // namespace wicket
