#include "collector/api/work_queue.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

namespace lapwing::api {

WorkQueue::WorkQueue(std::string name, std::size_t threads, std::size_t per_client, std::size_t waiting)
    : name_(std::move(name)), most_threads_(threads), per_client_(per_client), most_waiting_(waiting) {}

WorkQueue::~WorkQueue() {
    stop();
}

bool WorkQueue::post(const std::string& name, Task task) {
    const MutexLock lock(mutex_);
    if (stopping_ || waiting_ >= most_waiting_ || (threads_.empty() && !startThread())) {
        return false;
    }
    Client& client = clients_[name];
    client.waiting.push_back(std::move(task));
    ++waiting_;
    giveTurn(name, client);
    if (free_ >= turns_.size() || threads_.size() >= most_threads_) {
        changed_.notifyOne();
    } else {
        startThread();
    }
    return true;
}

bool WorkQueue::startThread() {
    try {
        threads_.emplace_back([this] { run(); });
        // Linux shows 15 bytes.
        ::pthread_setname_np(threads_.back().native_handle(), name_.substr(0, 15).c_str());
        lacks_threads_ = false;
    } catch (const std::exception& e) {
        if (!std::exchange(lacks_threads_, true)) {
            spdlog::warn("{}: no further thread for requests: {}", name_, e.what());
        }
    }
    return !lacks_threads_;
}

void WorkQueue::giveTurn(const std::string& name, Client& client) {
    if (!client.has_turn && !client.waiting.empty() && client.running < per_client_) {
        client.has_turn = true;
        turns_.push_back(name);
    }
}

void WorkQueue::attempt(const Task& task) const {
    try {
        task();
    } catch (const std::exception& e) {
        // Without memory, not even the answer that says so can be made. The connection ends at its deadline.
        spdlog::error("{}: a request is given up: {}", name_, e.what());
    }
}

void WorkQueue::run() {
    MutexLock lock(mutex_);
    while (true) {
        ++free_;
        while (!stopping_ && turns_.empty()) {
            changed_.wait(lock);
        }
        --free_;
        if (stopping_) {
            return;
        }
        const std::string name = std::move(turns_.front());
        turns_.pop_front();
        {
            Client& client = clients_[name];
            client.has_turn = false;
            ++client.running;
            const Task task = std::move(client.waiting.front());
            client.waiting.pop_front();
            --waiting_;
            giveTurn(name, client);
            lock.unlock();
            attempt(task);
        }
        lock.lock();
        const auto client = clients_.find(name);
        if (client == clients_.end()) {
            continue;  // stop() has dropped everything
        }
        --client->second.running;
        giveTurn(name, client->second);
        if (client->second.running == 0 && client->second.waiting.empty()) {
            clients_.erase(client);
        }
    }
}

void WorkQueue::stop() {
    std::vector<std::thread> threads;
    {
        const MutexLock lock(mutex_);
        stopping_ = true;
        clients_.clear();
        turns_.clear();
        waiting_ = 0;
        threads = std::move(threads_);
        threads_.clear();
    }
    changed_.notifyAll();
    for (auto& thread : threads) {
        thread.join();
    }
}

}  // namespace lapwing::api
