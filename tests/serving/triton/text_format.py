"""Triton's model configuration, read with protobuf's parser of its text format."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

_FIELDS = {  # of Triton's model_config.proto, those that the export writes
    "ModelTensor": {
        "name": "string",
        "data_type": "DataType",
        "dims": "*int64",
        "optional": "bool",
        "label_filename": "string",
    },
    "InstanceGroup": {"kind": "Kind", "count": "int32"},
    "DynamicBatching": {},
    "ModelParameter": {"string_value": "string"},
    "Parameter": {"key": "string", "value": "ModelParameter"},
    "ModelConfig": {
        "name": "string",
        "backend": "string",
        "max_batch_size": "int32",
        "input": "*ModelTensor",
        "output": "*ModelTensor",
        "instance_group": "*InstanceGroup",
        "dynamic_batching": "DynamicBatching",
        "parameters": "*Parameter",
    },
}
_ENUMS = {
    "DataType": ("TYPE_INVALID", "TYPE_BOOL", "TYPE_INT8", "TYPE_INT64", "TYPE_FP32", "TYPE_FP64", "TYPE_STRING"),
    "Kind": ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"),
}


def parse(text: str) -> dict[str, object]:
    """Return a configuration as a dictionary; raise `ParseError` if it is none."""
    content = text_format.Parse(text, _model_config())
    return {
        "name": content.name,
        "backend": content.backend,
        "max_batch_size": content.max_batch_size,
        "inputs": {tensor.name: _tensor(tensor) for tensor in content.input},
        "outputs": {tensor.name: _tensor(tensor) for tensor in content.output},
        "instances": [(_ENUMS["Kind"][group.kind], group.count) for group in content.instance_group],
        "batches": content.HasField("dynamic_batching"),
        "parameters": {parameter.key: parameter.value.string_value for parameter in content.parameters},
    }


def _tensor(tensor: object) -> tuple[str, list[int], bool, str]:
    return _ENUMS["DataType"][tensor.data_type], [*tensor.dims], tensor.optional, tensor.label_filename


def _model_config() -> object:
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", syntax="proto3")
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            added = message.field.add(name=field, number=number, label=3 if kind[0] == "*" else 1)
            kind = kind.removeprefix("*")
            if kind in _FIELDS or kind in _ENUMS:
                added.type_name = f".{kind}"
            else:
                added.type = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ModelConfig"))()
