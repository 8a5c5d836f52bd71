# SPDX-License-Identifier: Apache-2.0
# cmake -D SOURCE=... -D OUTPUT=... -P build_commit.cmake: writes a source that defines kBuildCommit, if
# it would differ from the one there. Run by every build, so that a report names what was measured.
set(commit "")
if(EXISTS ${SOURCE}/.git)  # a release unpacked inside some other repository has none
  execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT commit MATCHES "^[0-9a-f]+(-dirty)?$")
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
// SPDX-License-Identifier: Apache-2.0
#include "build_commit.h"

namespace rotor::cli {

const char* const kBuildCommit = "@commit@";

}  // namespace rotor::cli
]])
