// Puts a served view together: prefix, then the body without its cuts; and hashes the body on the way.
#pragma once

#include "store/blob_files.hpp"
#include "store/mail_store.hpp"
#include "store/row_codec.hpp"

#include <memory>
#include <string>

namespace wicket {

/// A body that stands in memory already.
std::unique_ptr<BlobSource> source_of(std::string octets);

/// `corrupt` at once if the view does not fit the message.
Result<std::unique_ptr<MessageReader>> make_message_reader(
    rows::View view, const rows::Message& message, std::unique_ptr<BlobSource> source
);

}  // namespace wicket
