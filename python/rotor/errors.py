# SPDX-License-Identifier: Apache-2.0
"""What Rotor raises beside Python's own exceptions.

Those are ValueError for arguments, FileNotFoundError and OSError for files, MemoryError,
ConnectionError, and FloatingPointError for an activation that is not finite.
"""


class FormatError(ValueError):
    """A file contradicts its format, or itself; the message names tensor and byte."""


class UnsupportedError(NotImplementedError):
    """Well-formed, but Rotor does not do this."""


class VerificationError(RuntimeError):
    """A checksum disagrees."""


class CancelledError(RuntimeError):
    """The call was ended from outside before it had a result."""
