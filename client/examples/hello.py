#!/usr/bin/env python3
r"""hello.cc over plain gRPC: runs one batch on the GPU of a running xeqd, and reads what it stored.

Stubs: protoc -I proto --python_out=STUBS --grpc_python_out=STUBS \
           --plugin=protoc-gen-grpc_python=$(command -v grpc_python_plugin) \
           proto/xeq/v1/*.proto proto/google/rpc/*.proto
Run:   PYTHONPATH=STUBS python3 client/examples/hello.py [ADDRESS]
"""
import struct
import sys

import grpc
from xeq.v1 import buffer_pb2, buffer_pb2_grpc, device_pb2, fence_pb2, fence_pb2_grpc, queue_pb2, queue_pb2_grpc
from xeq.v1 import session_pb2, session_pb2_grpc, vm_pb2, vm_pb2_grpc

BATCH, RESULT = 0x100000, 0x101000
# MI_STORE_DATA_IMM of one dword, MI_BATCH_BUFFER_END, MI_NOOP.
COMMANDS = struct.pack("<6I", 0x10000002, RESULT, 0, 42, 0x05000000, 0)


def main():
    channel = grpc.insecure_channel(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50551")
    sessions = session_pb2_grpc.SessionServiceStub(channel)
    vms = vm_pb2_grpc.VmServiceStub(channel)
    buffers = buffer_pb2_grpc.BufferServiceStub(channel)
    queues = queue_pb2_grpc.QueueServiceStub(channel)
    fences = fence_pb2_grpc.FenceServiceStub(channel)

    session = sessions.OpenSession(session_pb2.OpenSessionRequest(client_name="hello.py")).session_id
    vm = vms.CreateVm(vm_pb2.CreateVmRequest(session_id=session)).vm
    buffer = buffers.CreateBuffer(buffer_pb2.CreateBufferRequest(session_id=session, size=8192)).buffer
    bound = vms.Bind(vm_pb2.BindRequest(session_id=session, vm=vm, buffer=buffer, address=BATCH)).fence
    queue = queues.CreateQueue(
        queue_pb2.CreateQueueRequest(session_id=session, vm=vm, engine_class=device_pb2.ENGINE_CLASS_RENDER)
    ).queue.queue

    buffers.WriteBuffer(iter([buffer_pb2.WriteBufferRequest(session_id=session, buffer=buffer, data=COMMANDS)]))
    job = queue_pb2.Job(queue=queue, batch_addresses=[BATCH], waits=[queue_pb2.Wait(fence=bound)])
    done = queues.Submit(queue_pb2.SubmitRequest(session_id=session, jobs=[job])).fences
    waited = fences.WaitFences(fence_pb2.WaitFencesRequest(session_id=session, fences=done, timeout_ms=30000))
    if waited.statuses[0].state != fence_pb2.FENCE_STATE_SIGNALED:
        sys.exit(f"the job failed: {waited.statuses[0].error.message}")
    request = buffer_pb2.ReadBufferRequest(session_id=session, buffer=buffer, offset=RESULT - BATCH, size=4)
    data = b"".join(chunk.data for chunk in buffers.ReadBuffer(request))
    sessions.CloseSession(session_pb2.CloseSessionRequest(session_id=session))
    result = struct.unpack("<I", data)[0]
    print(f"the GPU says {result}")
    return 0 if result == 42 else 1


if __name__ == "__main__":
    sys.exit(main())
