// Notices that one of some files has changed: written, replaced, removed or come back. Asked now and then, it
// reads only what stat(2) tells. One thread.
#pragma once

#include <string>
#include <vector>

namespace wicket {

class FileWatch {
public:
    /// What the files are now is no change.
    void settle(const std::vector<std::string>& files);
    /// True once for each change, as soon as two questions in a row find the files alike: who is still
    /// writing is not read half way.
    bool has_changed(const std::vector<std::string>& files);

private:
    std::string settled_;
    std::string pending_;
};

}  // namespace wicket
