#include "server/message_facts.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

FactValue fact_of(std::string_view text, CoreFact wanted) {
    const MessageBytes message(std::string(text), sha256_of(text));
    for (auto& [id, value] : examine_message(message, "mx.example.test").facts)
        if (id == id_of(wanted)) return value;
    return Absent{};
}

TEST(MessageFacts, SayWhyThereIsNoSingleAuthor) {
    const std::pair<std::string_view, FactValue> table[] = {
        {"From: a@b.example\r\n\r\n",                      Absent{}                      },
        {"Subject: x\r\n\r\n",                             std::string("missing")        },
        {"From: a@b.example\r\nFrom: a@b.example\r\n\r\n", std::string("several_fields") },
        {"From: a@b.example, c@d.example\r\n\r\n",         std::string("several_authors")},
        {"From: Public, John <a@b.example>\r\n\r\n",       std::string("malformed")      },
        {"From: <>\r\n\r\n",                               std::string("empty")          },
    };
    for (const auto& [text, want] : table) {
        SCOPED_TRACE(text);
        EXPECT_EQ(fact_of(text, CoreFact::from_fault), want);
        EXPECT_EQ(fact_of(text, CoreFact::from_domain) == FactValue(Absent{}), want != FactValue(Absent{}));
    }
}

}  // namespace
}  // namespace wicket
