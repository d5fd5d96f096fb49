# A program of sentry-ruby: a message, then an error that it captures.
require 'sentry-ruby'

PRICES = { tea: '4,20' }.freeze

class OrderError < StandardError; end

def price(article)
  Float(PRICES.fetch(article))
end

def order(article)
  price(article)
rescue ArgumentError
  raise OrderError, "#{article} cannot be ordered"
end

Sentry.init do |config|
  config.dsn = ENV.fetch('SENTRY_DSN')
  config.release = 'shop@1.4.2'
  config.environment = 'production'
  config.background_worker_threads = 0
end
Sentry.set_tags('shop.till' => 'north')
Sentry.set_user(id: '7')
Sentry.add_breadcrumb(Sentry::Breadcrumb.new(category: 'cart', message: 'tea into the cart', level: 'info'))
Sentry.capture_message('Tea is running low', level: :warning)
begin
  order(:tea)
rescue OrderError => e
  Sentry.capture_exception(e)
end
