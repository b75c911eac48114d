# SPDX-License-Identifier: Apache-2.0
"""Elaborate a repeated component once and instantiate it by name.

A systolic array holds thousands of equal processing elements. Elaborating each of them is slow
and makes huge Verilog. :class:`Once` wraps a component so that, while a :class:`ModuleLibrary` is
active, its body is elaborated a single time and every wrapper becomes an instance of that module.
Without a library (plain Amaranth simulation) a wrapper elaborates to the component itself.
"""

from __future__ import annotations

import re
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from amaranth import (
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Fragment,
    Instance,
    ResetSignal,
    Shape,
)
from amaranth.back import rtlil
from amaranth.hdl import Value, ValueCastable
from amaranth.lib import wiring

__all__ = ["Definition", "ModuleLibrary", "Once", "flat_ports"]

_ACTIVE: ContextVar[ModuleLibrary | None] = ContextVar("weft_module_library", default=None)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = (bool, int, float, str, bytes, tuple, frozenset, Enum, Shape, type(None))
_CLOCK_PORTS = ("clk", "rst")


def flat_ports(component: wiring.Component) -> dict[str, tuple[Any, bool]]:
    """Name the ports of a component as they appear in Verilog.

    Parameters
    ----------
    component : wiring.Component
        Component whose signature is flattened; levels are joined by ``__``. Members that are
        constants (``ready`` of a stream that is always ready) are no ports.

    Returns
    -------
    dict
        Port name to ``(value, is_input)``, in the order of the signature.
    """
    ports = {}
    for path, member, value in component.signature.flatten(component):
        if isinstance(value, ValueCastable):
            value = value.as_value()
        if isinstance(value, Value) and not isinstance(value, Const):
            ports["__".join(map(str, path))] = (value, member.flow == wiring.In)
    return ports


@dataclass(frozen=True)
class Definition:
    """The RTLIL of one module and everything that tells its instances apart.

    Attributes
    ----------
    name : str
        Module name.
    text : str
        RTLIL of the module and of those of its sub-modules that have no definition of their own.
    clock : tuple of str
        Which of the ports ``clk`` and ``rst`` the module has.
    ports : tuple of str
        Other port names in the order in which they are to be declared.
    component : wiring.Component
        The component that was elaborated.
    """

    name: str
    text: str
    clock: tuple[str, ...]
    ports: tuple[str, ...]
    component: Any

    def mismatch(self, other: Any) -> str | None:
        """Say in what ``other`` differs from the elaborated component, or return ``None``."""
        mine = self.component
        if type(mine) is not type(other):
            return f"its class is {type(other).__qualname__}, not {type(mine).__qualname__}"
        if mine.signature != other.signature:
            return f"its signature is {other.signature!r}, not {mine.signature!r}"
        theirs = _plain_attributes(other)
        for key, value in _plain_attributes(mine).items():
            if theirs.get(key) != value:
                return f"its attribute {key} is {theirs.get(key)!r}, not {value!r}"
        return None


def _plain_attributes(component: Any) -> dict[str, Any]:
    return {
        key: value
        for key, value in vars(component).items()
        if isinstance(value, _PLAIN) and not key.startswith("_MustUse")
    }


class ModuleLibrary:
    """Collects the definitions of components wrapped in :class:`Once`.

    Use it as a context manager around elaboration. Libraries nest: the innermost is active.

    Attributes
    ----------
    definitions : dict of str to Definition
        Finished definitions, sub-modules before the modules that use them.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Definition] = {}
        self._unnamed: dict[tuple[str, str], Definition] = {}
        self._tokens: list[Token[ModuleLibrary | None]] = []
        self._open: list[str] = []

    def __enter__(self) -> ModuleLibrary:
        self._tokens.append(_ACTIVE.set(self))
        return self

    def __exit__(self, *exception: object) -> None:
        _ACTIVE.reset(self._tokens.pop())

    @staticmethod
    def active() -> ModuleLibrary | None:
        """Return the active library, or ``None``."""
        return _ACTIVE.get()

    def define(self, component: Any, name: str, platform: Any = None) -> Definition:
        """Elaborate ``component`` as module ``name`` unless that was done before.

        A component with a method ``define(library, name, platform)`` that returns a
        :class:`Definition` (see :class:`weft.hdl.chain.Chain`) writes its own.

        Parameters
        ----------
        component : wiring.Component
            Component to elaborate. It may use the clock domain ``sync`` only.
        name : str
            Module name, a plain Verilog identifier.
        platform : object
            Passed on to ``elaborate``.

        Raises
        ------
        ValueError
            If the name is no identifier, if it already names a different component, if a module
            contains itself, or if the component needs another clock domain than ``sync``.
        """
        if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
            raise ValueError(
                f"module name must be a letter or _ followed by letters, digits and _, "
                f"not {name!r}; change module_name of {type(component).__qualname__}"
            )
        known = self.definitions.get(name)
        if known is not None:
            difference = known.mismatch(component)
            if difference is not None:
                raise ValueError(
                    f"module name {name!r} is already taken by a different component: "
                    f"{difference}; put every parameter that differs into module_name"
                )
            return known
        if name in self._open:
            chain = " -> ".join([*self._open, name])
            raise ValueError(f"module {name!r} contains itself ({chain}); rename the inner one")
        self._open.append(name)
        try:
            if hasattr(component, "define"):
                definition = component.define(self, name, platform)
            else:
                definition = self._elaborate(component, name, platform)
        finally:
            self._open.pop()
        self.definitions[name] = definition
        return definition

    def define_unnamed(self, component: Any, platform: Any = None) -> Definition:
        """Elaborate a component that has no ``module_name``.

        The module is called after the class, with a number from the second different one on.
        Components whose RTLIL is the same to the letter share one module.
        """
        words = re.sub(
            r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(component).__name__
        )
        base = f"weft_{words.lower()}"
        definition = self._elaborate(component, base, platform)
        known = self._unnamed.get((base, definition.text))
        if known is not None:
            return known
        name, number = base, 2
        while name in self.definitions:
            name, number = f"{base}_{number}", number + 1
        text = re.sub(
            rf"^((?:module|  cell) \\){base}(?=[\s.])", rf"\g<1>{name}", definition.text, flags=re.M
        )
        named = replace(definition, name=name, text=text)
        self._unnamed[base, definition.text] = self.definitions[name] = named
        return named

    @staticmethod
    def _elaborate(component: Any, name: str, platform: Any) -> Definition:
        domain = ClockDomain("sync")
        ports: dict[str, tuple[Any, Any]] = {
            "clk": (domain.clk, rtlil._ir.PortDirection.Input),
            "rst": (domain.rst, rtlil._ir.PortDirection.Input),
        }
        for port, (value, is_input) in flat_ports(component).items():
            if port in _CLOCK_PORTS:
                raise ValueError(
                    f"member {port!r} of {type(component).__qualname__} clashes with the clock "
                    f"and reset ports that every module gets; rename the member"
                )
            direction = rtlil._ir.PortDirection
            ports[port] = (value, direction.Input if is_input else direction.Output)
        fragment = Fragment.get(component, platform)
        if isinstance(fragment, Instance):
            outer = Fragment()
            outer.add_subfragment(fragment, "body")
            fragment = outer
        fragment.add_domains(domain)
        text, _ = rtlil.convert_fragment(fragment, ports, name, emit_src=False)
        top = text[: text.find("\nend\n")]
        extra = set(re.findall(r"wire width \d+ (?:input|inout) \d+ .*\\(\S+)$", top, re.M))
        if extra - set(ports):
            raise ValueError(
                f"{type(component).__qualname__} needs the ports {sorted(extra - set(ports))} of "
                f"another clock domain; an emitted module has only 'sync' (clk and rst)"
            )
        clock = tuple(port for port in _CLOCK_PORTS if f"\\{port} [0]" in top)
        members = tuple(port for port in ports if port not in _CLOCK_PORTS)
        return Definition(name, text, clock, members, component)


class Once(Elaboratable):
    """A component whose body is emitted once however many times it is instantiated.

    The wrapper shows the members of the component (the very same objects, nothing is copied) and
    every other attribute of it (``latency`` and the like), so it is connected as the component
    would be::

        m.submodules.pe_0 = pe = Once(PE(...))
        m.d.comb += pe.activation_i.eq(self.activation_i)

    Parameters
    ----------
    component : wiring.Component
        What to instantiate. If it has an attribute or property ``module_name``, that is the name
        of its module, and equal names must mean equal hardware: put every parameter into the name.
        Otherwise it is elaborated each time, and components that turn out equal share a module
        called after their class. Each wrapper needs a component object of its own, since that
        holds the signals of the instance.

    Members
    -------
    Those of ``component``.

    Raises
    ------
    TypeError
        If ``component`` is no component, or its ``module_name`` is no str.
    """

    component: Any

    def __init__(self, component: Any) -> None:
        name = type(component).__qualname__
        if not isinstance(getattr(component, "signature", None), wiring.Signature):
            raise TypeError(f"Once wraps a wiring.Component, not {component!r}")
        module_name = getattr(component, "module_name", None)
        if module_name is not None and not isinstance(module_name, str):
            raise TypeError(f"module_name of {name} must be a str, not {module_name!r}")
        self.component = component

    def __getattr__(self, name: str) -> Any:
        if name == "component" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.component, name)

    @property
    def signature(self) -> wiring.Signature:
        """Signature of the wrapped component."""
        return self.component.signature

    def elaborate(self, platform: Any) -> Any:
        """Return an instance of the definition, or the component if no library is active."""
        library = ModuleLibrary.active()
        if library is None:
            return self.component
        module_name = getattr(self.component, "module_name", None)
        if module_name is None:
            definition = library.define_unnamed(self.component, platform)
        else:
            definition = library.define(self.component, module_name, platform)
        self.component._MustUse__used = True
        ports: dict[str, Any] = {}
        if "clk" in definition.clock:
            ports["i_clk"] = ClockSignal()
        if "rst" in definition.clock:
            ports["i_rst"] = ResetSignal(allow_reset_less=True)
        for port, (value, is_input) in flat_ports(self.component).items():
            ports[("i_" if is_input else "o_") + port] = value
        return Instance(definition.name, **ports)
