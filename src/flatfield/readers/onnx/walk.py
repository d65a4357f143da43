"""Walk: an ONNX graph gone through in order, every node handed to its handler."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from flatfield.core.taps import Ints
from flatfield.network import Unread
from flatfield.readers import axes as ax
from flatfield.readers.errors import UnreadableError
from flatfield.readers.ledger import merge
from flatfield.readers.onnx.call import Call, NotUnderstoodError, Result, Tensor
from flatfield.readers.onnx.constants import MALFORMED, Constants
from flatfield.readers.onnx.operators import LAYERS, OPERATORS, POSITIONAL
from flatfield.readers.onnx.tensors import MalformedError, checked_shape, tensor_weight, text
from flatfield.readers.onnx.wire import Place
from flatfield.readers.trace import Trace, Value
from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto, ValueInfoProto

Scope = MutableMapping[str, Tensor | None]
_MOST_NODES = 1 << 17  # functions that call functions grow without end
_MOST_DEPTH = 32  # of functions and branches in each other
ADVICE = "export the model again, or see what onnx.checker.check_model says of it"


@dataclass
class Walk:
    """Goes through graphs; `target` names the file in errors, `folder` is where its external data lies."""

    target: str
    folder: Path
    functions: dict[tuple[str, str], FunctionProto] = field(default_factory=dict)
    weights: Mapping[int, Place] = field(default_factory=dict)  # those of the outermost graph left in the file
    trace: Trace = field(default_factory=Trace)
    declared: dict[str, Ints] = field(default_factory=dict)
    seen: int = 0

    def __post_init__(self) -> None:
        self.constants = Constants(self.error)

    def graph(self, graph: GraphProto, scope: Scope, path: str = "", depth: int = 0) -> list[Tensor]:
        """Go through a graph whose inputs are in `scope`; give its outputs."""
        self.initialisers(graph, scope, depth)
        self.declared.update(_declared(graph.value_info))
        self.declared.update(_declared(graph.output))
        self.nodes(graph.node, scope, path, {}, depth)
        return [self.find(scope, text(output.name, "an output"), "the graph") for output in graph.output]

    def initialisers(self, graph: GraphProto, scope: Scope, depth: int) -> None:
        """Name the weights of a graph."""
        weights = self.weights if not depth else {}
        for number, tensor in enumerate(graph.initializer):
            name = text(tensor.name, "a tensor's name")
            weight = self.constants.guarded(tensor_weight(tensor, self.folder, weights.get(number)), name)
            scope[name] = Tensor(self.trace.constant(weight.shape), weight)
        for sparse in graph.sparse_initializer:
            name = text(sparse.values.name, "a tensor's name")
            scope[name] = Tensor(self.trace.constant(checked_shape(tuple(sparse.dims), f"tensor {name!r}")))

    def find(self, scope: Scope, name: str, reader: str) -> Tensor:
        """Look up a tensor that must be there."""
        found = scope.get(name)
        if found is None:
            raise MalformedError(f"nothing before {reader} makes its input {name!r}")
        return found

    def nodes(
        self,
        nodes: Iterable[NodeProto],
        scope: Scope,
        path: str,
        given: Mapping[str, AttributeProto],
        depth: int,
    ) -> None:
        """Go through nodes in order; `given` are the attributes of the function they are in."""
        if depth > _MOST_DEPTH:
            raise self.error("functions or branches lie in each other without end")
        for node in nodes:
            self.seen += 1
            if self.seen > _MOST_NODES:
                raise self.error(f"more than {_MOST_NODES} nodes would have to be read")
            names = [text(name, "an output") for name in node.output]
            operator = text(node.op_type, "an operator's name")
            name = path + (text(node.name, "a node's name") or f"{operator}_{names[0] if names else self.seen}")
            results = self.node(node, name, scope, given, depth)
            for output, result in zip(names, results, strict=False):
                if output:
                    scope[output] = result

    def error(self, reason: str) -> UnreadableError:
        """An error about the whole file."""
        return UnreadableError(f"{self.target} can't be read: {reason}; {ADVICE}")

    def node(
        self, node: NodeProto, name: str, scope: Scope, given: Mapping[str, AttributeProto], depth: int
    ) -> Sequence[Tensor]:
        """Read one node; whatever is wrong with it is said in its name."""
        try:
            call = self._call(node, name, scope, given)
            return self._results(call, node, scope, depth)
        except UnreadableError:
            raise
        except MalformedError as error:
            raise self.error(f"node {name!r} ({node.op_type}) is malformed: {error}") from None
        except MALFORMED as error:
            reason = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
            raise self.error(f"node {name!r} ({node.op_type}) is malformed ({reason})") from error

    def _call(self, node: NodeProto, name: str, scope: Scope, given: Mapping[str, AttributeProto]) -> Call:
        inputs = [text(i, "an input") for i in node.input]
        for i in inputs:
            if i and i not in scope:
                raise MalformedError(f"nothing before it makes its input {i!r}")
        attributes = {}
        for attribute in node.attribute:
            key = text(attribute.name, "an attribute's name")
            referred = text(attribute.ref_attr_name, "an attribute's name")
            if not referred:
                attributes[key] = attribute
            elif referred in given:
                attributes[key] = given[referred]
        operands = tuple(scope[i] if i else None for i in inputs)
        return Call(self.trace, node.op_type, name, operands, len(node.output), attributes, self.folder)

    def _results(self, call: Call, node: NodeProto, scope: Scope, depth: int) -> Sequence[Tensor]:
        domain = text(node.domain, "a domain")
        domain = "" if domain == "ai.onnx" else domain
        function = self.functions.get((domain, call.operator))
        if function is not None:
            return self._called(call, function, depth)
        if not domain and call.operator == "If":
            return self._branched(call, scope, depth)
        if not domain and call.operator in ("Loop", "Scan"):
            return self._looped(call, node, scope)
        handler = OPERATORS.get((domain, call.operator))
        try:
            if handler is None or (domain and call.number("channels_last", 0)):
                raise NotUnderstoodError("no rule of flatfield's knows this operator")
            return self.constants.folded(call, self._tidy(handler(call)))
        except NotUnderstoodError as reason:
            return self.unread(call, node, str(reason), follows=not domain and call.operator not in LAYERS)

    def _tidy(self, result: Result) -> list[Tensor]:
        """Give results as tensors, their sizes checked; an empty tensor has no positions to follow."""
        tensors = []
        for entry in result if isinstance(result, Sequence) else [result]:
            tensor = entry if isinstance(entry, Tensor) else Tensor(entry)
            shape = checked_shape(tensor.value.shape, "its output")
            if 0 in shape:
                tensor = replace(tensor, value=replace(tensor.value, axes=ax.constant_axes(shape)))
            tensors.append(tensor)
        return tensors

    # -- graphs in graphs ------------------------------------------------------------------------------------

    def _called(self, call: Call, function: FunctionProto, depth: int) -> Sequence[Tensor]:
        """Go through the body of a function of the model."""
        formal = [text(name, "a parameter") for name in function.input]
        given = {text(a.name, "an attribute"): a for a in function.attribute_proto} | dict(call.attributes)
        actual = (*call.operands, *(None,) * max(0, len(formal) - len(call.operands)))
        scope: Scope = dict(zip(formal, actual, strict=False))
        self.nodes(function.node, scope, f"{call.name}/", given, depth + 1)
        return [self.find(scope, text(name, "an output"), "the function") for name in function.output]

    def _branched(self, call: Call, scope: Scope, depth: int) -> Sequence[Tensor]:
        """Go through the branch that is taken; through both where the input decides."""
        branches = [call.attributes[f"{name}_branch"].g for name in ("then", "else")]
        try:
            chosen = [branches[0 if bool(call.known(0, "condition").all()) else 1]]
        except NotUnderstoodError:
            chosen = branches
        found = [self.graph(branch, ChainMap({}, scope), f"{call.name}/", depth + 1) for branch in chosen]
        return found[0] if len(found) == 1 else [_either(call, a, b) for a, b in zip(*found, strict=False)]

    def _looped(self, call: Call, node: NodeProto, scope: Scope) -> Sequence[Tensor]:
        """A loop is harmless where nothing in it can move positions; then what it carries keeps its size."""
        body = call.attributes["body"].g
        inside = list(_operators(body, 0))
        captured = [scope.get(name) for used, _ in inside for name in used]
        sources = [tensor for tensor in (*call.operands, *captured) if tensor is not None]
        sized = [tensor.value for tensor in sources if tensor.sized]
        moving = sorted(
            {operator for _, operator in inside if operator in POSITIONAL or ("", operator) not in OPERATORS}
        )
        if moving and any(ax.has_space(value.axes) for value in sized):
            return self.unread(replace(call, operands=tuple(sources)), node, f"its body has {', '.join(moving[:3])}")
        start = 2 if call.operator == "Loop" else 0
        count = len(call.operands) - start if start else max(0, len(body.input) - call.number("num_scan_inputs", 0))
        carried = [value for value in call.operands[start : start + count] if value is not None]
        names = merge(value.sources for value in sized)
        states = [replace(state, weight=None, value=replace(state.value, sources=names)) for state in carried]
        rest = max(0, call.outputs - len(states))
        return [*states, *[Tensor(Value((), names), sized=False)] * rest]

    def unread(self, call: Call, node: NodeProto, reason: str, *, follows: bool = False) -> Sequence[Tensor]:
        """Note a node that was not understood; its outputs have the size that the file declares, if it does.

        `follows`: an operator that is understood but follows one whose size is unknown needs no note of its own.
        """
        operands = [operand for operand in call.operands if operand is not None]
        values = [operand.value for operand in operands]
        lost = any(not operand.sized for operand in operands)
        if not (lost and follows) and any(
            ax.has_space(v.axes) or not o.sized for v, o in zip(values, operands, strict=True)
        ):
            name = self.trace.unique(call.name, self.trace.unread)
            self.trace.unread[name] = Unread(name, call.operator, reason)
        constant = bool(operands) and not lost and all(value.constant for value in values)
        return [self._unknown(call, name, values, constant=constant) for name in node.output]

    def _unknown(self, call: Call, name: str, values: Sequence[Value], *, constant: bool) -> Tensor:
        sizes = self.declared.get(name)
        if sizes is None:
            return Tensor(Value((), merge(value.sources for value in values)), sized=False)
        if constant:
            return Tensor(self.trace.constant(sizes))
        same = next((v.axes for v in values if v.shape == sizes), None)
        return Tensor(self.trace.arranged(call.operator, values, same or ax.image_axes(sizes)))


def _either(call: Call, left: Tensor, right: Tensor) -> Tensor:
    if left.sized and right.sized and left.value.shape == right.value.shape:
        return Tensor(call.trace.arranged(call.operator, [left.value, right.value], left.value.axes))
    return Tensor(Value((), merge([left.value.sources, right.value.sources])), sized=False)


def _operators(graph: GraphProto, depth: int) -> Iterable[tuple[list[str], str]]:
    """List what the nodes of a graph and of the graphs in it read, and what they are."""
    if depth > _MOST_DEPTH:
        raise MalformedError("loops lie in each other without end")
    for node in graph.node:
        yield [text(name, "an input") for name in node.input], text(node.op_type, "an operator's name")
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _operators(attribute.g, depth + 1)


def _declared(values: Iterable[ValueInfoProto]) -> dict[str, Ints]:
    """Sizes that the file gives in numbers."""
    found = {}
    for value in values:
        if value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape"):
            sizes = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            if all(n > 0 for n in sizes):
                found[text(value.name, "a tensor's name")] = checked_shape(sizes, "a declared size")
    return found
