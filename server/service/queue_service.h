// Execution queues, and the way of a job into them.
#ifndef XEQ_SERVER_SERVICE_QUEUE_SERVICE_H_
#define XEQ_SERVER_SERVICE_QUEUE_SERVICE_H_

#include "server/service/backend.h"
#include "xeq/v1/queue.grpc.pb.h"

namespace xeq::service {

class QueueService final : public v1::QueueService::CallbackService {
 public:
  explicit QueueService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* CreateQueue(grpc::CallbackServerContext* context, const v1::CreateQueueRequest* request,
                                        v1::CreateQueueResponse* response) override;
  grpc::ServerUnaryReactor* GetQueue(grpc::CallbackServerContext* context, const v1::GetQueueRequest* request,
                                     v1::GetQueueResponse* response) override;
  grpc::ServerUnaryReactor* ListQueues(grpc::CallbackServerContext* context, const v1::ListQueuesRequest* request,
                                       v1::ListQueuesResponse* response) override;
  grpc::ServerUnaryReactor* DestroyQueue(grpc::CallbackServerContext* context, const v1::DestroyQueueRequest* request,
                                         v1::DestroyQueueResponse* response) override;
  grpc::ServerUnaryReactor* SetQueueProperties(grpc::CallbackServerContext* context,
                                               const v1::SetQueuePropertiesRequest* request,
                                               v1::SetQueuePropertiesResponse* response) override;
  grpc::ServerUnaryReactor* SuspendQueue(grpc::CallbackServerContext* context, const v1::SuspendQueueRequest* request,
                                         v1::SuspendQueueResponse* response) override;
  grpc::ServerUnaryReactor* ResumeQueue(grpc::CallbackServerContext* context, const v1::ResumeQueueRequest* request,
                                        v1::ResumeQueueResponse* response) override;
  grpc::ServerUnaryReactor* KillQueue(grpc::CallbackServerContext* context, const v1::KillQueueRequest* request,
                                      v1::KillQueueResponse* response) override;
  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* context, const v1::SubmitRequest* request,
                                   v1::SubmitResponse* response) override;

 private:
  absl::Status Create(const v1::CreateQueueRequest& request, v1::CreateQueueResponse* response);
  absl::Status List(const v1::ListQueuesRequest& request, v1::ListQueuesResponse* response);
  absl::Status SubmitJobs(const v1::SubmitRequest& request, hw::Nanos now, v1::SubmitResponse* response);

  const Backend backend_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_QUEUE_SERVICE_H_
