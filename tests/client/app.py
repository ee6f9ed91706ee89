"""What people run under withkey: it names no key, the SDK takes it from the environment."""

from openai import OpenAI

client = OpenAI(max_retries=0, timeout=20)
answer = client.chat.completions.create(model="test", messages=[{"role": "user", "content": "hello"}])
print(answer.choices[0].message.content)
