# frozen_string_literal: true

# Ruby in an execution environment: loads the handler, asks the Runtime API for events, answers them.
#
# It speaks HTTP over one plain socket. Whatever it shows to the function (context, errors, log lines) has the shape that
# Lambda gives it.

require 'json'
require 'socket'

module Aloft
  # One keep-alive connection to the Runtime API.
  class RuntimeApi
    def initialize(address)
      @host = address
      host, _, port = address.rpartition(':')
      @socket = TCPSocket.new(host, port.to_i)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    end

    # The next event: its headers in lower case and its body. The process ends when there is nobody left to work for.
    def next
      @socket.write("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: #{@host}\r\n\r\n")
      status, headers, body = receive
      exit!(1) unless status == 200
      [headers, body]
    end

    def post(action, body, kind: 'application/json', error_type: nil)
      head = +"POST /2018-06-01/runtime/#{action} HTTP/1.1\r\nHost: #{@host}\r\nContent-Type: #{kind}\r\n"
      head << "Lambda-Runtime-Function-Error-Type: #{error_type.gsub(/[^ -~]/, '?')}\r\n" if error_type
      head << "Content-Length: #{body.bytesize}\r\n\r\n"
      @socket.write(head.b << body.b)
      receive
    end

    private

    def receive
      status = line.split(' ')[1].to_i
      headers = {}
      until (text = line).empty?
        name, value = text.split(':', 2)
        headers[name.downcase] = value.strip
      end
      [status, headers, @socket.read(headers['content-length'].to_i).force_encoding('UTF-8')]
    end

    def line
      text = @socket.gets("\n") || exit!(1)
      text.force_encoding('UTF-8').chomp
    end
  end

  # The second argument of a handler.
  class Context
    attr_reader :aws_request_id, :invoked_function_arn, :deadline_ms, :client_context, :identity

    def initialize(headers)
      @aws_request_id = headers['lambda-runtime-aws-request-id']
      @invoked_function_arn = headers['lambda-runtime-invoked-function-arn']
      @deadline_ms = headers['lambda-runtime-deadline-ms'].to_i
      @client_context = parse(headers['lambda-runtime-client-context'])
      @identity = parse(headers['lambda-runtime-cognito-identity'])
    end

    def get_remaining_time_in_millis
      [@deadline_ms - (Process.clock_gettime(Process::CLOCK_REALTIME) * 1000).to_i, 0].max
    end

    {
      function_name: 'AWS_LAMBDA_FUNCTION_NAME', function_version: 'AWS_LAMBDA_FUNCTION_VERSION',
      memory_limit_in_mb: 'AWS_LAMBDA_FUNCTION_MEMORY_SIZE', log_group_name: 'AWS_LAMBDA_LOG_GROUP_NAME',
      log_stream_name: 'AWS_LAMBDA_LOG_STREAM_NAME'
    }.each { |name, variable| define_method(name) { ENV.fetch(variable, nil) } }

    private

    def parse(text)
      JSON.parse(text) if text
    rescue JSON::ParserError
      nil
    end
  end

  # One event of the log. Line ends within it travel as carriage returns, so that it stays one event.
  def self.log(text)
    $stdout.write("#{text.chomp.gsub(/\r?\n/, "\r")}\n")
  end

  # What the invoker gets to see. The frames of this file are left out.
  def self.describe(error, phase)
    frames = (error.backtrace || []).take_while { |frame| !frame.start_with?(__FILE__) }
    { errorMessage: error.message, errorType: "#{phase}<#{error.class.name}>", stackTrace: frames }
  end

  def self.report(error, answer)
    return if PLAIN

    log("#{answer[:errorType]}: #{error.message}\n#{answer[:stackTrace].join("\n")}")
  end

  # `src/orders.create` is the method `create` of the file; `orders.Api::Orders.create` one of a class in it.
  def self.load_handler(text)
    file, *rest = text.split('.')
    raise ArgumentError, "Invalid handler #{text}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD" unless [1, 2].include?(rest.size)

    require(File.expand_path(file, ENV.fetch('LAMBDA_TASK_ROOT')))
    owner = rest.size == 2 ? Kernel.const_get(rest.first) : TOPLEVEL_BINDING.receiver
    owner.method(rest.last)
  end

  PLAIN = ENV.delete('ALOFT_PLAIN_LOGS') == '1'

  def self.run
    $stdout.sync = $stderr.sync = true
    Encoding.default_external = 'UTF-8'
    api = RuntimeApi.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
    begin
      handler = load_handler(ENV.fetch('_HANDLER'))
    rescue ScriptError, StandardError => e
      answer = describe(e, 'Init')
      report(e, answer)
      api.post('init/error', JSON.generate(answer), error_type: answer[:errorType])
      exit!(1)
    end
    loop { serve(api, handler) }
  end

  def self.serve(api, handler)
    headers, body = api.next
    action = "invocation/#{headers['lambda-runtime-aws-request-id']}/"
    ENV['_X_AMZN_TRACE_ID'] = headers['lambda-runtime-trace-id']
    begin
      result = handler.call(event: JSON.parse(body), context: Context.new(headers))
      kind = result.respond_to?(:read) ? 'application/octet-stream' : 'application/json'
      answer = result.respond_to?(:read) ? result.read : JSON.generate(result)
    # Whatever it is: only what ends the process goes on.
    rescue ScriptError, StandardError, NoMemoryError, SystemStackError => e
      failure = describe(e, 'Function')
      report(e, failure)
      return api.post("#{action}error", JSON.generate(failure), error_type: failure[:errorType])
    end
    api.post("#{action}response", answer, kind: kind)
  end
end

Aloft.run
