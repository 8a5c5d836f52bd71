// SPDX-License-Identifier: Apache-2.0
// Templates that break out of other template engines: through classes, globals, frames, imports and
// format strings to commands, files and the environment. Here each one is refused or renders to
// text that shows nothing of the process.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "text/chat_template.h"

namespace rotor {
namespace {

// What a payload would print had it got anywhere: the environment variable below, users, modules.
constexpr std::string_view kSecret = "ROTOR-CANARY-5813";
constexpr const char* kTelltales[] = {
    "ROTOR-CANARY-5813", "root:", "uid=",       "<class", "<module",
    "<built-in",         "Popen", "subprocess", "/bin/"};

constexpr const char* kPayloads[] = {
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''.__class__.__base__.__subclasses__()[132].__init__.__globals__['popen']('id').read() }}",
    "{{ ''['__class__']['__mro__'][1]['__subclasses__']() }}",
    "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ {}.__class__.__mro__[-1].__subclasses__() }}",
    "{{ messages.__class__.__init__.__globals__ }}",
    "{{ self.__init__.__globals__.__builtins__.__import__('os').popen('id').read() }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__.os.popen('id').read() }}",
    "{{ namespace.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum.__globals__.os.environ }}",
    "{{ range.__class__.__mro__ }}",
    "{{ dict.__base__.__subclasses__() }}",
    "{{ raise_exception.__globals__ }}",
    "{{ raise_exception.__code__.co_consts }}",
    "{{ strftime_now.__self__ }}",
    "{{ strftime_now('%n%t%1000000d') }}",
    "{{ config.items() }}",
    "{{ config.__class__.__init__.__globals__['os'].environ }}",
    "{{ request.application.__globals__.__builtins__ }}",
    "{{ get_flashed_messages.__globals__['current_app'].config }}",
    "{{ url_for.__globals__ }}",
    "{{ g.pop.__globals__.__builtins__ }}",
    "{{ app.__init__.__globals__ }}",
    "{{ environment }}",
    "{{ os.environ }}",
    "{{ __import__('os').environ }}",
    "{{ __builtins__ }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ eval('1+1') }}",
    "{{ exec('import os') }}",
    "{{ getattr('', '__class__') }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('__class__')|attr('__mro__')|last }}",
    "{{ ''|attr(['__cl', 'ass__']|join)|attr('__base__') }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ messages|map(attribute='__class__')|list }}",
    "{{ messages|map('attr', '__class__')|list }}",
    "{{ messages|selectattr('__class__')|list }}",
    "{{ messages|sort(attribute='__class__') }}",
    "{{ messages|sum(attribute='__class__') }}",
    "{{ messages|groupby('__class__') }}",
    "{{ '{0.__class__}'.format('') }}",
    "{{ '{0.__class__.__mro__}'.format(messages) }}",
    "{{ '{m.__init__.__globals__}'.format(m=namespace) }}",
    "{{ '{0[__class__]}'.format(messages) }}",
    "{{ '%(__class__)s' % messages[0] }}",
    "{{ '{}'.format.__self__ }}",
    "{{ ('{0.__cl' ~ 'ass__}').format(1) }}",
    "{{ '{0.__class__}'.format_map({'0': 1}) }}",
    "{{ ''.join.__class__ }}",
    "{{ (messages|map('upper')).gi_frame.f_globals }}",
    "{{ (messages|map('upper')).gi_code }}",
    "{{ messages.append.__self__ }}",
    "{{ messages.append({}) }}{{ messages|length }}",
    "{{ messages.clear() }}",
    "{{ messages[0].update({'role': 'system'}) }}",
    "{{ messages[0].__setitem__('role', 'system') }}",
    "{% set messages[0].role = 'system' %}",
    "{% set messages.x = 1 %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os.environ }}",
    "{% from 'os' import environ %}{{ environ }}",
    "{% extends '/etc/passwd' %}",
    "{% do messages.append(1) %}",
    "{% debug %}",
    "{% autoescape false %}{{ ''.__class__ }}{% endautoescape %}",
    "{% for c in ''.__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{% for x in messages.__class__.__mro__ %}{{ x }}{% endfor %}",
    "{% macro m() %}{{ m.__globals__ }}{{ caller.__globals__ }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{% endmacro %}{{ m.__call__.__func__ }}{{ m._func }}{{ m._environment }}",
    ("{% set x = loop.__class__ %}{{ x }}"
     "{% for i in [1] %}{{ loop._iterator }}{{ loop.__init__ }}{% endfor %}"),
    "{{ loop.__class__ }}{{ varargs }}{{ kwargs }}{{ caller }}",
    "{{ namespace(__class__='x').__class__ }}",
    "{{ ''.encode('utf-8') }}",
    "{{ ''.translate({}) }}",
    "{{ 7|filesizeformat }}",
    "{{ [1, 2]|random }}",
    "{{ {'a': 1}|xmlattr }}",
    "{{ 'http://x'|urlize }}",
    "{{ messages|pprint }}",
    "${7*7}#{7*7}<%= 7*7 %>{{= 7*7 }}",
    "{{ ''.__class__.__init__.__globals__['sys'].modules['os'].environ['ROTOR_CANARY'] }}",
    "{{ ROTOR_CANARY }}{{ env.ROTOR_CANARY }}{{ environ['ROTOR_CANARY'] }}",
};

TEST(ChatTemplateInjection, EveryPayloadIsInertOrRefused) {
  ASSERT_EQ(setenv("ROTOR_CANARY", std::string(kSecret).c_str(), 1), 0);
  const ChatMessage messages[] = {{"user", "hi"}, {"assistant", "ho"}};
  for (const char* payload : kPayloads) {
    const Result<ChatTemplate> parsed = ChatTemplate::parse(payload);
    if (!parsed.ok()) {
      EXPECT_FALSE(parsed.status().message().empty()) << payload;
      continue;
    }
    const Result<RenderedText> rendered = parsed->render_messages(messages, true);
    const std::string seen = rendered.ok() ? rendered->text : rendered.status().message();
    EXPECT_LT(seen.size(), 300U) << payload;
    for (const char* telltale : kTelltales) {
      EXPECT_EQ(seen.find(telltale), std::string::npos) << payload << " -> " << seen;
    }
  }
  EXPECT_GE(std::size(kPayloads), 60U);
}

// The same payloads as a user's message are only text.
TEST(ChatTemplateInjection, PayloadsInMessagesStayText) {
  const Result<ChatTemplate> parsed =
      ChatTemplate::parse("{% for m in messages %}{{ m.content }}{% endfor %}");
  ASSERT_TRUE(parsed.ok());
  for (const char* payload : kPayloads) {
    const ChatMessage message{"user", payload};
    const Result<RenderedText> rendered = parsed->render_messages({&message, 1}, true);
    ASSERT_TRUE(rendered.ok());
    EXPECT_EQ(rendered->text, payload);
    EXPECT_EQ(rendered->spans, (std::vector<Span>{{rendered->text.size(), false}}));
  }
}

}  // namespace
}  // namespace rotor
