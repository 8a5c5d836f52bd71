# SPDX-License-Identifier: Apache-2.0
"""Rotor: tools for ternary language models."""
